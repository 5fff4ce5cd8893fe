#!/bin/sh
# Everything that takes a GPU, in order of its worth: sh tests/gpu/everything.sh OUT [STEP…]
#
# Each step has a limit of its own; one that fails or takes too long does not keep the others from running. Without
# names all steps run, some 25 minutes on an H200; with names only those, so that a machine that is there for ten minutes
# at a time does them in pieces. The store is OUT/kbench.db, which resumes; OUT/STEP.log has what a step printed,
# OUT/summary.tsv a line for each. GALLERY is where the report goes, PYTHON what runs it all.
set -u

OUT=$(mkdir -p "$1" && cd "$1" && pwd) || exit 2
shift
STEPS=" $* "
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PYTHON=${PYTHON:-$(command -v "$ROOT/.venv/bin/python" python3 | head -n 1)}
GALLERY=${GALLERY:-$ROOT/reports/gallery/nvidia-h200}
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
unset KBENCH_DB # tests and tools have stores of their own
failed=0

# step NAME LIMIT_S COMMAND…: 124 is the code of a step that took too long.
step() {
    name=$1 limit=$2
    shift 2
    case $STEPS in "  " | *" $name "*) ;; *) return ;; esac
    begin=$(date +%s)
    (cd "$OUT" && timeout --kill-after=20 "$limit" "$@") >"$OUT/$name.log" 2>&1
    code=$?
    [ $code -eq 0 ] || failed=$((failed + 1))
    printf '%s\t%d\t%d s\t%s\n' "$name" $code $(($(date +%s) - begin)) "$(tail -n 1 "$OUT/$name.log" | tr "\t" " " | cut -c 1-150)" |
        tee -a "$OUT/summary.tsv"
}

# kbench NAME LIMIT_S WORDS: a step that runs a verb on the store.
kbench() {
    # shellcheck disable=SC2086 # words are words
    step "$1" "$2" env KBENCH_DB="$OUT/kbench.db" "$PYTHON" -P -m kbench $3
}

# What there is: driver, CUPTI, the tools and whether they may count.                                              10 s
kbench doctor 60 "doctor"
# All tests that need a GPU; the slowest are listed.                                                              480 s
step tests 720 "$PYTHON" -m pytest "$ROOT/tests/gpu" -q --durations=20
# The clocks against each other.                                                                                   20 s
kbench validate-clock 240 "validate-clock --device cuda"
# The bundled suites; a second call resumes.                                                                      200 s
kbench roof 120 "roof --device cuda"
for suite in pipeline transpose copy copy_blocks fma swap_blocks reshape_and_cache; do
    kbench "sweep-$suite" 180 "sweep --device cuda --suite $suite --yes"
done
# Counters of the best and the naive configuration of a problem of each kernel that waits for memory, or computes. 60 s
profile="profile --device cuda --pick best,naive --launches 1 --tool ncu"
kbench ncu-copy 120 "$profile --kernel copy --axis nbytes=1GiB --dtype float32"
kbench ncu-transpose 120 "$profile --kernel transpose --axis rows=8192,8200 --axis cols=8192"
kbench ncu-transpose-unpadded 120 "profile --device cuda --launches 1 --tool ncu --kernel transpose --axis rows=8192 --axis cols=8192 --dtype float32 --variant tiled --block-size 256"
kbench ncu-copy_blocks 120 "$profile --kernel copy_blocks --axis layers=32 --axis pairs=256 --axis heads=8 --axis dim=128 --dtype float16"
kbench ncu-reshape_and_cache 120 "$profile --kernel reshape_and_cache --axis tokens=65536 --dtype float16"
kbench ncu-transpose_heads 120 "$profile --kernel transpose_heads --axis heads=32 --axis tokens=65536 --axis dim=128"
kbench ncu-fma 120 "$profile --kernel fma --axis k=0,256"
# What overlaps: by CUPTI in the process, and by Nsight Systems around it.                                         10 s
kbench timeline 90 "timeline --device cuda --streams 1,2,3 --output timelines"
kbench nsys-swap_blocks 120 "profile --device cuda --pick best --tool nsys --kernel swap_blocks --axis pages=1024 --axis page_bytes=32KiB"
# The other tools on the same kernels; the sanitizer's four checks want smaller ones.                             110 s
for tool in nsys cupti sanitizer; do
    profile="profile --device cuda --pick best,naive --launches 1 --tool $tool"
    kbench $tool-copy_blocks 120 "$profile --kernel copy_blocks --axis layers=32 --axis pairs=64 --axis heads=8 --axis dim=128 --dtype float16"
    kbench $tool-transpose 120 "$profile --kernel transpose --axis rows=4096 --dtype float32"
    kbench $tool-reshape_and_cache 120 "$profile --kernel reshape_and_cache --axis tokens=16384 --axis slots=random --dtype float16"
done
# What the tools write, for the tests that read it without a GPU: into tests/profiling/data.                      120 s
step capture 300 "$PYTHON" "$ROOT/tests/gpu/capture.py" "$OUT/capture"
# The answer in words, and the report.                                                                             25 s
kbench diagnose 60 "diagnose --pick best,naive"
kbench report 180 "report --output $GALLERY"
# What a sweep costs beside its samples.                                                                            5 s
step harness-cost 120 "$PYTHON" "$ROOT/tests/gpu/harness_cost.py" cuda 16MiB
# kbench beside other harnesses, ten processes of kbench: nothing is started after 330 s.                         340 s
step peers 480 "$PYTHON" "$ROOT/tests/gpu/peers.py" --extra kbench-auto --processes 10 --budget 330 --json "$OUT/peers.json"

echo "$failed steps did not succeed; logs and summary.tsv in $OUT"
[ $failed -eq 0 ]
