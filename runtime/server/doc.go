// Package server answers the daemon's requests: OpenAI's and Ollama's APIs over HTTP,
// from models that are loaded when they are asked for and share their weights among
// all streams. It must never answer with another text than the engine alone would
// give, and never take the process down for a bad request.
//
// An API's handler turns a body into a Task, runs it, and writes the pieces in its own
// form:
//
//	body -> Task -> Server.Run (prompt, grammar, sched) -> Piece … -> SSE or one body
package server
