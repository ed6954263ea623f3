package watcher

import (
	"encoding/json"
	"net/http"
)

// Handler takes orders over HTTP: GET /units, POST /start and POST /stop with
// parameters "component". quit is called when nothing is left to watch.
func (w *Watcher) Handler(quit func()) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /units", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, w.Units()) })
	mux.HandleFunc("POST /start", func(rw http.ResponseWriter, r *http.Request) {
		res, err := w.Start(r.Context(), r.URL.Query()["component"])
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		answer(rw, res)
	})
	mux.HandleFunc("POST /stop", func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		res, force := Stopped{Quit: true}, q.Get("force") != ""
		if words := q["component"]; len(words) == 0 {
			w.StopAll(force)
		} else {
			var err error
			if res, err = w.Stop(r.Context(), words, force); err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		answer(rw, res)
		if res.Quit {
			quit()
		}
	})
	return mux
}

func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	json.NewEncoder(rw).Encode(v)
}
