"""The figures as `model-index`, the YAML that model cards on the Hugging Face hub have."""

from __future__ import annotations

import yaml
from huggingface_hub import EvalResult, ModelCardData

from vtag.evaluation.figures import Figures


def model_card(report: Figures) -> str:
    """The front matter of a model card with precision, recall and F1 (and accuracy), as fractions."""
    data, system = report.data, report.system
    name = ", ".join(data.files) or "records in memory"
    args = {"input": data.input, "records": data.records, **({"sha256": data.sha256} if data.sha256 else {})}
    how = {
        "mode": "exact spans, micro average",
        "by": f"vtag eval {report.vtag}",
        **{key: str(value) for key, value in system.options.items()},
    }
    values = {"precision": report.overall.precision, "recall": report.overall.recall, "f1": report.overall.f1}
    if report.accuracy is not None:
        values["accuracy"] = report.accuracy.accuracy
    results = [
        EvalResult(
            task_type="token-classification",
            dataset_type=data.files[0].split(".")[0] if data.files else "memory",
            dataset_name=name,
            dataset_args=args,
            metric_type=metric,
            metric_value=round(value, 6),
            metric_name=metric,
            metric_args=how,
        )
        for metric, value in values.items()
    ]
    card = ModelCardData(model_name=system.model.rstrip("/").rsplit("/", 1)[-1], eval_results=results)
    return f"---\n{yaml.safe_dump(card.to_dict(), sort_keys=False, allow_unicode=True)}---\n"
