"""Presidio's analyzer on its transformers engine, over HTTP as its own server answers, for `load.py --presidio`.

    pip install "presidio-analyzer[transformers]" flask waitress
    python benchmarks/peers/presidio.py MODEL [--port 5002]

MODEL: a folder; the engine cuts texts into words with a blank spaCy pipeline. Requests run in 16 threads. A
tokenizer without a limit gets the model's: the engine would log a longer text as failed, and find nothing in it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from typing import Any

import spacy
import waitress
from flask import Flask, jsonify, request
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NerModelConfiguration, TransformersNlpEngine
from presidio_analyzer.predefined_recognizers import TransformersRecognizer
from transformers import AutoConfig, AutoTokenizer

TYPES = {"GIVEN_NAME": "PERSON", "SURNAME": "PERSON", "CITY": "LOCATION", "STATE": "LOCATION", "EMAIL": "EMAIL_ADDRESS"}


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=5002)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spacy.blank("en").to_disk(f"{folder}/spacy")
        model = shutil.copytree(args.model, f"{folder}/model")
        tokenizer = AutoTokenizer.from_pretrained(model)
        limit = AutoConfig.from_pretrained(model).max_position_embeddings
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
        tokenizer.save_pretrained(model)
        models = [{"lang_code": "en", "model_name": {"spacy": f"{folder}/spacy", "transformers": model}}]
        names = NerModelConfiguration(
            model_to_presidio_entity_mapping=TYPES, aggregation_strategy="simple", stride=14, alignment_mode="expand"
        )
        engine = TransformersNlpEngine(models, ner_model_configuration=names)
        engine.load()
    recognizer = TransformersRecognizer(supported_entities=sorted(set(TYPES.values())))
    analyzer = AnalyzerEngine(registry=RecognizerRegistry([recognizer]), nlp_engine=engine)
    app = Flask("presidio")

    @app.post("/analyze")
    def analyze() -> Any:
        asked = request.get_json()
        found = analyzer.analyze(asked["text"], asked["language"], entities=asked.get("entities"))
        return jsonify([result.to_dict() for result in found])

    print("listening", flush=True)
    waitress.serve(app, host="127.0.0.1", port=args.port, threads=16)


if __name__ == "__main__":
    main()
