package calendar

import (
	"reflect"
	"testing"
)

func TestPostInJob(t *testing.T) {
	post := Post{UID: "m", Summary: "Plans", Lane: "@b", Letters: []Letter{
		{ID: "a", Method: "REQUEST", From: "mailto:a@x", To: []string{"mailto:b@x"}, Data: []byte("{one}")},
		{ID: "b", Method: "CANCEL", From: "mailto:a@x", To: []string{"mailto:c@x"}},
		{ID: "c", Method: "CANCEL", From: "mailto:a@x", To: []string{"mailto:d@x"}, Data: []byte("\r\n\"three\""), Inconsequential: true},
	}}
	job, err := post.Job()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePost(job)
	if err != nil || !reflect.DeepEqual(got, post) {
		t.Errorf("%+v, %v; want %+v", got, err, post)
	}
	job.Payload = job.Payload[:len(job.Payload)-1]
	if _, err := ParsePost(job); err == nil {
		t.Error("a letter that is cut off is taken")
	}
	// As it was written before.
	job.Payload = []byte(`{"uid":"m","letters":[{"id":"a","method":"REQUEST","from":"mailto:a@x","to":["mailto:b@x"],"data":"e29uZX0="}]}`)
	if got, err = ParsePost(job); err != nil || len(got.Letters) != 1 || string(got.Letters[0].Data) != "{one}" {
		t.Errorf("%+v, %v", got, err)
	}
}
