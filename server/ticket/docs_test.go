package ticket

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestDocumentedClaims compares the claims of docs/tickets.md with those that heartbeatd reads. Of
// the registered ones it reads two.
func TestDocumentedClaims(t *testing.T) {
	page, err := os.ReadFile("../../docs/tickets.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Claims\n")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range strings.Split(row[1], ", ") {
			documented = append(documented, strings.Trim(name, "`"))
		}
	}
	read := []string{"sub", "exp", "locks"} // the drop-in reads locks
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Claims]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, registered := reflect.TypeFor[jwt.RegisteredClaims]().FieldByName(field.Name); name != "" && (!registered || len(field.Index) == 1) {
			read = append(read, name)
		}
	}
	slices.Sort(documented)
	slices.Sort(read)
	if !slices.Equal(documented, read) {
		t.Errorf("docs/tickets.md has the claims %q,\nheartbeatd reads %q", documented, read)
	}
}
