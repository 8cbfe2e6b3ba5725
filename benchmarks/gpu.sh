#!/bin/bash
# All that needs a GPU, in one go of about 15 minutes: the rows, then as many trainings as the rest of the time allows.
#
#   benchmarks/gpu.sh OUT [--quick] [-- ROW ...]     # rows of docs/scripts/train_table.py, by default `methods`
#
# OUT receives the log of every part, rows as JSON, what the GPU did second by second, what was trained, and gpu.tar.gz
# of all that. A part that fails or takes too long ends alone. Without a GPU, and with --quick, it tries itself out on
# the CPU. PYTHON, ISIMED_HOME and ISIMED_SHARED may be set; SECONDS_LEFT is how long it may take (default 840).
set -u
out=$(mkdir -p "${1:?say a folder for what comes out}" && cd "$1" && pwd); shift
quick=(); [ "${1:-}" = --quick ] && { quick=(--quick); shift; }
[ "${1:-}" = -- ] && shift
rows=("$@"); [ $# = 0 ] && rows=(methods)
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python}
export ISIMED_HOME=${ISIMED_HOME:-$out/home} PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
scans=${ISIMED_SHARED:-$PWD/../shared}/data/headneck-ct/dataset.json
device=$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
end=$(($(date +%s) + ${SECONDS_LEFT:-840}))
echo "device $device, $("$python" -c 'import torch; print(torch.__version__)'), into $out"

if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=timestamp,name,utilization.gpu,memory.used,memory.total,power.draw --format=csv,noheader -l 1 \
    >"$out/gpu.csv" 2>&1 &
  watcher=$!
  trap 'kill $watcher 2>/dev/null' EXIT
fi

part() { # NAME SECONDS COMMAND...
  local name=$1 most=$2 begun left status
  shift 2
  begun=$(date +%s); left=$((end - begun)); [ "$most" -gt "$left" ] && most=$left
  if [ "$most" -lt 5 ]; then echo "$name: no time left"; return; fi
  timeout "$most" "$@" >"$out/$name.log" 2>&1; status=$?
  echo "$name: $([ $status = 0 ] && echo done || echo "ended with $status") after $(($(date +%s) - begun)) s"
  printf '%s\t%s\t%s\t%s\n' "$name" "$begun" "$(date +%s)" "$status" >>"$out/parts.tsv"
}

bench() { # NAME SECONDS COHORT ROW...
  part "$1" "$2" "$python" -m isimed bench "${@:4}" --cohort "$3" --device "$device" --json "$out/$1.json" "${quick[@]}"
}

bench small 240 "$scans" train_limit train_authors train_cached embed_limit embed_authors
bench methods 120 "$scans" methods
part large-made 90 "$python" -m benchmarks.lib.large_scans "$scans" "$out/large" "${quick[@]}"
bench large 180 "$out/large/dataset.json" train_authors train_cached
epochs=(); [ ${#quick[@]} = 1 ] && { epochs=(--epochs 1); rows=(isimed); }
part trainings 840 "$python" -m docs.scripts.train_table headneck-ct "$scans" --only "${rows[@]}" "${epochs[@]}"

"$python" -m benchmarks.lib.gpu_parts "$out" | tee "$out/summary.txt"
rm -rf "$out/large"
mkdir -p "$out/trainings" && cp -r docs/results/trainings "$out/trainings/" 2>/dev/null
[ -d "$ISIMED_HOME/checkpoints" ] && cp -r "$ISIMED_HOME/checkpoints" "$out/trainings/"
packed=$(mktemp) && tar -czf "$packed" -C "$out" --exclude ./gpu.tar.gz --exclude ./home . && mv "$packed" "$out/gpu.tar.gz"
echo "packed: $out/gpu.tar.gz"
