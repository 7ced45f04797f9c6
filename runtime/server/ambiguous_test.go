package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestAmbiguous: a grammar of which too many readings would have to be followed is
// the client's fault.
func TestAmbiguous(t *testing.T) {
	s := serveDemo(t)
	var many strings.Builder
	many.WriteString("root ::= x0")
	for i := 1; i < 300; i++ {
		fmt.Fprintf(&many, " | x%d", i)
	}
	for i := range 300 {
		fmt.Fprintf(&many, "\nx%d ::= \"a\" x%d \"b%d\" | \"c\"", i, i, i)
	}
	for _, stream := range []bool{false, true} {
		status, body := post(t, s, "/v1/completions", fmt.Sprintf(`{"prompt":"x","max_tokens":20,"grammar":%s,"stream":%t}`, strconv.Quote(many.String()), stream))
		if status != http.StatusBadRequest || !strings.Contains(body, "readings") || !strings.Contains(body, "invalid_request_error") {
			t.Errorf("stream %t: %d %s", stream, status, body)
		}
	}
}
