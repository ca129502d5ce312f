"""Presidio's analyzer and anonymizer on a token classifier.

pip install "vllm-vtag[cpu,demo,presidio]" presidio-anonymizer
python presidio_example.py                          # the demo model, in this process
python presidio_example.py http://127.0.0.1:8000    # a `vtag serve`
"""

import sys

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer
from presidio_anonymizer import AnonymizerEngine

from vtag.integrations.presidio import VtagRecognizer

TEXT = "Hi, I'm Marisol Okonkwo from Dunmere, my card is 4111 1111 1111 1111."


def main() -> None:
    """Find and replace what is personal."""
    if len(sys.argv) > 1:
        model = sys.argv[1]
    else:
        from vtag import LLM  # brings vLLM, which who asks a server does not need

        model = LLM(model="demo")
    names = VtagRecognizer(model, label_mapping={"GIVEN_NAME": "PERSON", "SURNAME": "PERSON", "CITY": "LOCATION"})
    analyzer = AnalyzerEngine(
        # Presidio's recognizers of patterns stand beside it; without any, it would add all of its own.
        registry=RecognizerRegistry([names, CreditCardRecognizer()]),
        nlp_engine=NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}]),
    )
    found = analyzer.analyze(TEXT, language="en")
    for result in sorted(found, key=lambda result: result.start):
        print(result.start, result.end, result.entity_type, TEXT[result.start : result.end])
    print(AnonymizerEngine().anonymize(TEXT, found).text)


if __name__ == "__main__":
    main()
