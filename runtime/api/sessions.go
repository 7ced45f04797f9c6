package api

import (
	"context"
	"net/http"
	"net/url"
)

// Session is a conversation that the daemon keeps for the next request with its
// session_id, over restarts too.
type Session struct {
	ID           string `json:"id"`
	Object       string `json:"object"` // session
	Model        string `json:"model"`
	Created      int64  `json:"created"`       // seconds since 1970
	Used         int64  `json:"used"`          // the end of its last answer
	Tokens       int    `json:"tokens"`        // of its last prompt and answer
	StoredTokens int    `json:"stored_tokens"` // of them, whose KV cache is on disk
	StoredBytes  int64  `json:"stored_bytes"`
}

// SessionList is the answer of GET /qwq/v1/sessions: the caller's, the latest first.
type SessionList struct {
	Object string    `json:"object"` // list
	Data   []Session `json:"data"`
}

// SessionDeleted is the answer of DELETE /qwq/v1/sessions/{id}.
type SessionDeleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // session.deleted
	Deleted bool   `json:"deleted"`
}

// Sessions lists the conversations of the caller that the daemon keeps.
func (c *Client) Sessions(ctx context.Context) (*SessionList, error) {
	return get[SessionList](ctx, c, "/qwq/v1/sessions")
}

// Session is one of them.
func (c *Client) Session(ctx context.Context, id string) (*Session, error) {
	return get[Session](ctx, c, "/qwq/v1/sessions/"+url.PathEscape(id))
}

// DeleteSession makes the daemon forget a conversation.
func (c *Client) DeleteSession(ctx context.Context, id string) error {
	a, err := c.Do(ctx, http.MethodDelete, "/qwq/v1/sessions/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	return a.Body.Close()
}

// SessionState is the answer of GET /qwq/v1/sessions/{id}/state.
type SessionState struct {
	ID     string         `json:"id"`
	Object string         `json:"object"` // session.state
	Turns  int            `json:"turns"`  // messages of the user that were followed
	State  []float32      `json:"state"`  // the dialog tracker's
	Topics []SessionTopic `json:"topics"` // in their order
}

// SessionTopic is a run of turns about one thing.
type SessionTopic struct {
	Turn     int     `json:"turn"`     // its first one, from 0
	Turns    int     `json:"turns"`    // how many
	Boundary float32 `json:"boundary"` // probability that a topic ended before it
}

// SessionState is what the dialog tracker holds of a conversation.
func (c *Client) SessionState(ctx context.Context, id string) (*SessionState, error) {
	return get[SessionState](ctx, c, "/qwq/v1/sessions/"+url.PathEscape(id)+"/state")
}
