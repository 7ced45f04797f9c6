package data

import "testing"

// TestRecordTypes: a value of a wrong type is named by its key, in JSON's words.
func TestRecordTypes(t *testing.T) {
	for line, want := range map[string]string{
		`[1,2]`:                         "a JSON array, want an object",
		`7`:                             "a JSON number, want an object",
		`{"prompt":"a","completion":5}`: `"completion" is no string but: number`,
		`{"text":{}}`:                   `"text" is no string but: object`,
	} {
		if _, err := parseRecord([]byte(line), false); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
}
