package console

import (
	"html/template"
	"net/http"
)

// observerWords are the functions of the observer's templates alone.
var observerWords = template.FuncMap{}

// observerRoutes adds the addresses that the observer's pages need besides those of all.
func (c *Console) observerRoutes(*http.ServeMux) {}
