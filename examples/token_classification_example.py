"""Token classification with vLLM: one row per token, its label and probability.

python token_classification_example.py --model path/to/your/model --num-labels 2
"""

import argparse
import sys

import torch
from vllm import LLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--num-labels", type=int, required=True)
    parser.add_argument("--text", default="The quick brown fox jumps over the lazy dog.")
    args = parser.parse_args()

    try:
        llm = LLM(model=args.model, task="token_classification", model_config={"num_labels": args.num_labels})
    except ValueError as error:
        sys.exit(f"error: {error}")

    output = llm.encode(args.text)[0]
    token_logits = output.data
    probabilities = torch.nn.functional.softmax(torch.tensor(token_logits), dim=-1)

    for token, (start, end), row in zip(output.tokens, output.offsets, probabilities, strict=True):
        label = output.labels[int(row.argmax())]
        print(f"{args.text[start:end] or token:20} {start:5}:{end:<5} {label:20} {row.max():.4f}")


if __name__ == "__main__":
    main()
