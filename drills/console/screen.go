package console

import (
	"html/template"
	"net/http"
)

// screenWords are the functions of the screen's templates alone.
var screenWords = template.FuncMap{}

// screenRoutes adds the addresses that the screen's pages need besides those of all.
func (c *Console) screenRoutes(*http.ServeMux) {}
