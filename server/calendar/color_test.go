package calendar

import "testing"

func TestColors(t *testing.T) {
	for s, ok := range map[string]bool{
		"": true, "#3366cc": true, "#36C": true, "#3366CCFF": true, "#36cf": true, "teal": true, "Teal": true, "rebeccapurple": true,
		"#12": false, "#12345": false, "3366cc": false, "#33 6cc": false, "reddish": false, "tea": false, "red blue": false, "#gggggg": false, " ": false,
	} {
		if err := CheckColor(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}
