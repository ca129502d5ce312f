#!/usr/bin/env bash
# Check vtag on a GPU host without a network.
#
#     scripts/gpu/check.sh BUNDLE [--minutes 7] [--out FILE] [--cpu] [--only PART]
#
# Installs BUNDLE (made by bundle.py) and this checkout into a temporary folder, and runs check.py with them. The host's
# own packages stay as they are; python3 must be a 3.12 that has torch and pip.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bundle=${1:?usage: check.sh BUNDLE [options of check.py]}
shift
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT

install() {
    python3 -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir \
        --target "$aside" "$@"
}

install "$bundle"/*.whl
# Where NVIDIA's container images have the driver's libraries: vLLM looks for NVML before torch has found them.
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64:/usr/local/nvidia/lib
# Without a network, all that listens does so on the loopback interface.
export PYTHONPATH=$aside HF_HUB_OFFLINE=1 VLLM_HOST_IP=127.0.0.1 GLOO_SOCKET_IFNAME=lo NCCL_SOCKET_IFNAME=lo
install --upgrade --no-build-isolation "$here/../.."
python3 "$here/check.py" --bundle "$bundle/bundle.json" "$@"
