package console

import "html/template"

// playerWords are the functions of the players' templates alone.
var playerWords = template.FuncMap{}
