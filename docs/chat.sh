#!/bin/sh
# Records the conversations in this folder on a terminal of 80 columns:
#     make build && docs/chat.sh
# Needs tmux. Speeds in them are this machine's.
set -e
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'tmux -L qwq-docs kill-server 2>/dev/null; rm -rf "$work"' EXIT
cp -r "$root/testdata/tinystories-qwen2" "$work/"

t() { tmux -L qwq-docs -f /dev/null "$@"; }
begin() { # KERNEL
	t new-session -d -s r -x 80 -y 60 "cd $work && env PATH=$root/bin:$PATH XDG_STATE_HOME=$work XDG_CONFIG_HOME=$work QWQ_MODELS=. QWQ_KERNEL=$1 PS1='\$ ' sh"
	sleep 1
	t send-keys -t r clear Enter
	sleep 0.5
}
say() { # TEXT SECONDS
	t send-keys -t r -l "$1"
	sleep 0.3
	t send-keys -t r Enter
	sleep "$2"
}
keep() { # FILE
	t capture-pane -p -t r -S - | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$root/docs/$1"
	t kill-server
	sleep 0.5
}

# The embedded model: two lines of input, another answer, a mistyped command.
begin ''
say "qwq chat --seed 4 --temp 0.6 -n 70" 2
t send-keys -t r -l "Once upon a time"
t send-keys -t r C-j
say "there was a small boat." 2
say "/regenerate" 2
say "/sytem" 1
say "/stats" 1
say "/save boat.json" 1
keep chat-embedded.txt

# A converted Qwen2 model with slow kernels and a small context: Ctrl-C, a full
# context, an earlier line brought back.
begin generic
say "qwq-convert quantize tinystories-qwen2 -o stories.gguf --type q4_0" 2
say "qwq chat -m stories --ctx 160 --temp 0 --precise --threads 1" 3
say "The dog" 0.5
t send-keys -t r C-c
sleep 1
say "Once upon a time" 6
say "/stats" 1
say "Lily had a red ball" 6
t send-keys -t r Up
sleep 0.3
t send-keys -t r Up
sleep 0.5
keep chat-qwen2.txt
