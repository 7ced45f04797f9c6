// Package deps is the import graph of the module as a test: a table of who may
// import whom, checked against every file in the tree whatever its build tags.
// It holds no code of its own. When the test fails, the import is wrong, not
// the table; the table is changed only together with ARCHITECTURE.md.
package deps
