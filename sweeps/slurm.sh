#!/usr/bin/env bash
# A sweep on a cluster with SLURM: `sbatch sweeps/slurm.sh` from the project's folder, which all nodes should see.
# Killed or out of time, submit it again: it goes on.
#SBATCH --job-name=mnist-sweep
#SBATCH --ntasks=32
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=1G
#SBATCH --time=02:00:00
set -euo pipefail

export PATH=$PWD/.venv/bin:$PATH
port=${DASK_PORT:-8786}
certificates=$PWD/.sweeps/tls
[ -e "$certificates/key.pem" ] || python -m sweeps.tls "$certificates" > /dev/null
tls=(--tls-ca-file "$certificates/ca.pem" --tls-cert "$certificates/cert.pem" --tls-key "$certificates/key.pem")

dask scheduler --protocol tls --port "$port" --no-dashboard "${tls[@]}" &
scheduler=$!
trap 'kill $(jobs -p) 2> /dev/null' EXIT

# Without the two thresholds Dask has workers give every freed array back, and training takes half as long again.
export MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432
srun dask worker "tls://$(hostname):$port" --nthreads 1 --no-dashboard "${tls[@]}" &

until python -c "import socket; socket.create_connection(('$(hostname)', $port))" 2> /dev/null; do
  kill -0 "$scheduler" 2> /dev/null || { echo "error: the scheduler has ended; is port $port taken?" >&2; exit 1; }
  sleep 1
done
python -m sweeps.run "$@" --scheduler "tls://$(hostname):$port" --certificates "$certificates"
