package calendar

import (
	"fmt"
	"strings"
)

// CheckColor says why a text is no colour that clients know, or nil: #rgb,
// #rrggbb, both with or without transparency, or a name of CSS3, as RFC 7986
// §5.9 has it. "" is no colour at all. What clients themselves set is kept as
// it is; this is for those who type.
func CheckColor(s string) error {
	if s == "" || strings.Contains(cssColors, " "+strings.ToLower(s)+" ") && !strings.Contains(s, " ") {
		return nil
	}
	if digits, ok := strings.CutPrefix(s, "#"); ok && strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
		switch len(digits) {
		case 3, 4, 6, 8:
			return nil
		}
	}
	return fmt.Errorf("%.40q is no colour: expected #rrggbb, or a name such as teal", s)
}

const cssColors = " aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood cadetblue" +
	" chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki" +
	" darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise" +
	" darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod" +
	" gray green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue" +
	" lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray" +
	" lightslategrey lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue mediumorchid mediumpurple" +
	" mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite" +
	" navy oldlace olive olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink" +
	" plum powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue" +
	" slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet wheat white whitesmoke yellow yellowgreen "
