#!/usr/bin/env bash
# Streams a synthetic sharded BF16 checkpoint to Q8_0 under two memory limits and prints peak RSS, CPU/wall and the rate in
# MB/s of input, beside `cp` followed by `sync` of the same files, all from a warm cache in one run.
#     bench/stream/run.sh BIN_DIR WORK_DIR [PRESET]
# Fails when the peak RSS of a run is not below its limit + 90 MiB.
set -euo pipefail
bin=$1 work=$2 preset=${3:-3gb}
[ -x /usr/bin/time ] || { echo "stream: /usr/bin/time is missing: apt-get install time" >&2; exit 1; }
mkdir -p "$work"
src=$work/$preset
[ -f "$src/model.safetensors.index.json" ] || go run ./bench/synth -preset "$preset" -o "$src"
cat "$src"/*.safetensors > /dev/null
mb=$(du -cb "$src"/*.safetensors | tail -n 1 | awk '{printf "%.1f", $1/1e6}')
largest=$("$bin/qwq-convert" inspect "$src" --json | grep -o '"bytes": *[0-9]*' | grep -o '[0-9]*' | sort -n | tail -n 1)
echo "input $mb MB, largest tensor $largest bytes"

copy() {
	sync; local t0 t1; t0=$(date +%s.%N)
	rm -rf "$work/copy"; mkdir "$work/copy"; cp "$src"/*.safetensors "$work/copy/"; sync
	t1=$(date +%s.%N); rm -rf "$work/copy"
	awk -v a="$t0" -v b="$t1" -v mb="$mb" 'BEGIN {printf "cp + sync                 %6.2f s  %7.1f MB/s\n", b-a, mb/(b-a)}'
}

bad=0
for limit in 64 512; do
	for threads in 1 2; do
		copy; sync
		/usr/bin/time -v "$bin/qwq-convert" quantize "$src" -o "$work/out.gguf" --type q8_0 --max-memory "${limit}MiB" \
			--threads "$threads" --force 2> "$work/time.txt" > /dev/null || { cat "$work/time.txt" >&2; exit 1; }
		rss=$(awk '/Maximum resident/ {print $NF}' "$work/time.txt")
		awk -v limit="$limit" -v th="$threads" -v mb="$mb" -v rss="$rss" '
			/User time/ {u=$NF} /System time/ {s=$NF} /Elapsed/ {n=split($NF, t, ":"); w=t[n]+60*t[n-1]+(n>2?3600*t[1]:0)}
			END {printf "q8_0 limit %3d MiB %d thr. %6.2f s  %7.1f MB/s  peak RSS %.1f MiB  CPU/wall %.2f\n", limit, th, w, mb/w, rss/1024, (u+s)/w}' "$work/time.txt"
		[ "$rss" -lt $(((limit + 90) * 1024)) ] || { echo "stream: peak RSS $rss KiB is not below $limit + 90 MiB" >&2; bad=1; }
		sum=$(sha256sum < "$work/out.gguf")
		[ "${first:=$sum}" = "$sum" ] || { echo "stream: output differs between runs" >&2; bad=1; }
	done
done
rm -f "$work/out.gguf"
exit $bad
