#!/bin/sh
# run.sh TIME: every fuzz target of the module for TIME, one after the other; stops at the first finding.
#
# A run whose time ends while a worker is busy may fail with a bare "context deadline exceeded": a race in the fuzzing
# coordinator of Go before 1.27 (go.dev/issue/75804). That, and nothing else, is not a finding: the target ran its whole
# time, and a finding would have been written to testdata/fuzz and named in the output.
set -eu
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for p in $($go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for f in $($go test -list '^Fuzz' "$p" | grep '^Fuzz' || true); do
		echo "== $p $f"
		rc=0
		$go test -run '^$' -fuzz "^$f\$" -fuzztime "$1" -fuzzminimizetime 10x "$p" > "$log" 2>&1 || rc=$?
		cat "$log"
		[ $rc -eq 0 ] && continue
		# What is left of a failure without progress lines, the frame and the race's message must be nothing.
		rest=$(grep -vE '^(fuzz: elapsed: |warning: starting with empty corpus|--- FAIL: Fuzz[A-Za-z0-9_]+ \([0-9.]+s\)$|    context deadline exceeded$|FAIL|exit status 1$)' "$log" || true)
		if [ -n "$rest" ] || ! grep -q '^    context deadline exceeded$' "$log"; then
			exit 1
		fi
		echo "nothing found; the failure is the race of go.dev/issue/75804"
	done
done
