package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
)

// events are the data of a stream of server-sent events, or with lines set the lines of
// one of JSON objects; ended is set at [DONE]. An error in the stream ends it. Leaving
// the loop early closes the connection, which tells the daemon to stop.
func (c *Client) events(ctx context.Context, path string, body any, lines bool, ended *bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		a, err := c.Do(ctx, http.MethodPost, path, body)
		if err != nil {
			yield(nil, err)
			return
		}
		defer a.Body.Close()
		r := bufio.NewReader(a.Body)
		var data []byte
		for {
			line, err := readLine(r)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, fmt.Errorf("api: POST %s: %w", path, err))
				return
			case lines:
				data = line
			case len(line) > 0: // events are separated by empty lines; ids and names are not needed
				if v, ok := bytes.CutPrefix(line, []byte("data:")); ok {
					data = append(data[:0], bytes.TrimPrefix(v, []byte(" "))...)
				}
				continue
			}
			if len(data) == 0 {
				continue
			}
			if string(data) == "[DONE]" {
				*ended = true
				io.Copy(io.Discard, io.LimitReader(a.Body, 1<<10)) //nolint:errcheck // lets the connection be used again
				return
			}
			if e := parseError(data); e != nil {
				yield(nil, e)
				return
			}
			if !yield(data, nil) {
				return
			}
			data = data[:0]
		}
	}
}

// readLine reads a line of bounded length, without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > mostAnswer:
			return nil, fmt.Errorf("a line of more than %d bytes", mostAnswer)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		default:
			return bytes.TrimRight(line, "\r\n"), nil
		}
	}
}

// stream decodes the pieces of a stream; done tells whether one is the last (nil:
// [DONE] comes after that one), without which the stream was cut off.
func stream[T any](c *Client, ctx context.Context, path string, body any, lines bool, done func(*T) bool) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		ended := false
		for data, err := range c.events(ctx, path, body, lines, &ended) {
			if err != nil {
				yield(nil, err)
				return
			}
			v := new(T)
			if err := json.Unmarshal(data, v); err != nil {
				yield(nil, fmt.Errorf("api: POST %s: %w", path, err))
				return
			}
			ended = done != nil && done(v)
			if !yield(v, nil) {
				return
			}
		}
		if !ended {
			yield(nil, fmt.Errorf("api: POST %s: the stream was cut off: %w", path, io.ErrUnexpectedEOF))
		}
	}
}
