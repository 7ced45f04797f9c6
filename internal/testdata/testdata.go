// Package testdata finds the files tests read: the module's own testdata and
// the reference material that lives beside a checkout. It must never be
// imported by anything but tests.
//
//	dir := testdata.Shared(t, "goldens", "quant")
//	arrays := testdata.NPZ(t, filepath.Join(dir, "normal.npz"))
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Root returns the folder that holds go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("testdata: no go.mod above the working folder")
		}
		dir = up
	}
}

// Shared returns the path of an entry of ../shared, seen from the module root.
// Where it does not exist the test is skipped, naming what is missing; with
// QWQ_REQUIRE_SHARED=1 in the environment it fails instead.
func Shared(t testing.TB, elems ...string) string {
	t.Helper()
	rel := filepath.Join(append([]string{"..", "shared"}, elems...)...)
	path := filepath.Join(append([]string{filepath.Dir(Root(t)), "shared"}, elems...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("QWQ_REQUIRE_SHARED") == "1" {
			t.Fatalf("%s is missing and QWQ_REQUIRE_SHARED=1", rel)
		}
		t.Skipf("%s is missing", rel)
	}
	return path
}
