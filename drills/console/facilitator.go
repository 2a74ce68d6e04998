package console

import (
	"html/template"
	"net/http"
)

// facilitatorWords are the functions of the facilitator's templates alone.
var facilitatorWords = template.FuncMap{}

// facilitatorRoutes adds the addresses that the facilitator's pages need besides those of all.
func (c *Console) facilitatorRoutes(*http.ServeMux) {}
