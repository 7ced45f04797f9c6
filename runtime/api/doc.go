// Package api holds the types of the APIs that the daemon speaks, and a client for
// its socket. It is a leaf: both the daemon and the commands use it.
//
// The types follow OpenAI's specification of the REST API, as far as the daemon
// serves it. Fields that are not named are ignored when they are read; a field of the
// wrong type is an error that names it.
package api
