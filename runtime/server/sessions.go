package server

import (
	"errors"
	"net/http"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/store"
)

// mostSessionID is the length of a session's name.
const mostSessionID = 128

// session checks a request's session_id and returns the key of the caller's session; ""
// for none.
func (s *Server) session(r *http.Request, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	if len(id) > mostSessionID {
		return "", bad("session_id", "session_id has %d characters, at most %d", len(id), mostSessionID)
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '.' && c != '_' && c != '-' && c != ':' {
			return "", bad("session_id", "session_id %q has more than letters, digits, and any of . _ - :", id)
		}
	}
	return sessionKey(userOf(r.Context()), id), nil
}

// form is a session as the API shows it.
func (s *Server) sessionForm(x *store.Session) api.Session {
	n, bytes := s.hub.o.Store.Stored(x.User, x.ID)
	return api.Session{ID: x.ID, Object: "session", Model: x.Name, Created: x.Created.Unix(), Used: x.Used.Unix(), Tokens: x.Tokens, StoredTokens: n, StoredBytes: bytes}
}

// sessions serves GET /qwq/v1/sessions: the caller's own.
func (s *Server) sessions(w http.ResponseWriter, r *http.Request) error {
	out := api.SessionList{Object: "list", Data: []api.Session{}}
	if st := s.hub.o.Store; st != nil {
		user := userOf(r.Context())
		for _, x := range st.Sessions(func(x *store.Session) bool { return x.User == user }) {
			out.Data = append(out.Data, s.sessionForm(&x))
		}
	}
	reply(w, http.StatusOK, out)
	return nil
}

func noSession(id string) error {
	e := code(bad("", "there is no session %.200q of yours", id), "session_not_found")
	e.Status = http.StatusNotFound
	return e
}

// oneSession serves GET /qwq/v1/sessions/{name}.
func (s *Server) oneSession(w http.ResponseWriter, r *http.Request) error {
	id, st := r.PathValue("name"), s.hub.o.Store
	if st == nil {
		return noSession(id)
	}
	x, err := st.Session(userOf(r.Context()), id)
	if errors.Is(err, store.ErrNone) {
		return noSession(id)
	}
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, s.sessionForm(x))
	return nil
}

// deleteSession serves DELETE /qwq/v1/sessions/{name}: its tokens, and what is kept of
// its KV cache in memory and on disk.
func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) error {
	id, user, st := r.PathValue("name"), userOf(r.Context()), s.hub.o.Store
	if st == nil {
		return noSession(id)
	}
	s.hub.o.Topics.forget(sessionKey(user, id))
	for _, l := range s.hub.Loaded() {
		if l.err == nil {
			l.Sched.ForgetSession(sessionKey(user, id))
		}
	}
	err := st.DeleteSession(user, id)
	if errors.Is(err, store.ErrNone) {
		return noSession(id)
	}
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, api.SessionDeleted{ID: id, Object: "session.deleted", Deleted: true})
	return nil
}
