"""KServe's protocols, v1 and v2 (Open Inference Protocol): spans, where KServe's own token classifiers return label
ids.
"""
