// Package compat holds the tests of other people's clients against the daemon, over its
// Unix socket: the Python packages openai, ollama and anthropic, the Go packages
// openai-go and ollama/api, curl, and kin-openapi's reading of openapi.yaml. It is a
// module of its own, so that nothing of theirs is a dependency of ours.
//
//	make test-compat
package compat
