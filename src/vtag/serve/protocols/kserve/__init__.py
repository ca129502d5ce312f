"""KServe's protocols, v1 and v2 (Open Inference Protocol): spans where its own token classifiers give label ids."""
