package heartbeatd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	// maxFileLines is the largest number of lines of a source file.
	maxFileLines = 400
	// maxFuncLines is the largest number of lines of a function, and maxTestLines that of a
	// test in Go, which may have a table.
	maxFuncLines = 60
	maxTestLines = 80
	// maxPackageLines is the largest number of lines of a package, without its tests,
	// comments and empty lines.
	maxPackageLines = 2500
)

// unchecked are folders and files that other programs have written.
var unchecked = []string{
	"node_modules", ".cache", ".git", "client-js/dist", "integration/wordpress/heartbeatd/assets/heartbeat.js", "integration/wordpress/heartbeatd/assets/heartbeat-link.js",
	"server/demosite/page/jquery.js", "server/uplot/uplot.js", "integration/wordpress/heartbeatd/includes/admin/findings.php",
}

// sourceFiles returns the paths of all source files with one of the extensions.
func sourceFiles(t *testing.T, extensions ...string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(unchecked, filepath.ToSlash(path)) || d.Name() == "node_modules":
			if d.IsDir() {
				return filepath.SkipDir
			}
		case !d.IsDir() && slices.Contains(extensions, filepath.Ext(path)):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	return paths
}

func linesOf(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// TestFileSizes checks files in Go and PHP; eslint checks those in JavaScript.
func TestFileSizes(t *testing.T) {
	for _, path := range sourceFiles(t, ".go", ".php") {
		if n := len(linesOf(t, path)); n > maxFileLines {
			t.Errorf("%s has %d lines, want at most %d", path, n, maxFileLines)
		}
	}
}

func TestPackageSizes(t *testing.T) {
	for pkg := range allowed {
		files, err := filepath.Glob(filepath.Join(".", filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, line := range linesOf(t, path) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
					n++
				}
			}
		}
		if n > maxPackageLines {
			t.Errorf("package %s has %d lines, want at most %d", pkg, n, maxPackageLines)
		}
	}
}

// TestGoFunctions checks the sizes of all functions in Go, and that all exported names have a
// comment.
func TestGoFunctions(t *testing.T) {
	for _, path := range sourceFiles(t, ".go") {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		most, isTest := maxFuncLines, strings.HasSuffix(path, "_test.go")
		if isTest {
			most = maxTestLines
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; n > most {
					t.Errorf("%s: %s has %d lines, want at most %d", path, f.Name, n, most)
				}
			}
			if !isTest && file.Name.Name != "main" {
				for _, name := range undocumented(d) {
					t.Errorf("%s: %s has no comment", path, name)
				}
			}
		}
	}
}

// undocumented returns the exported names of a declaration that have no comment.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && !isWellKnown(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && s.Doc == nil && s.Name.IsExported() {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if d.Doc == nil && s.Doc == nil && s.Comment == nil && name.IsExported() && !groupNames(d, name.Name) {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// groupNames reports whether a comment in a group of constants or variables names one.
func groupNames(d *ast.GenDecl, name string) bool {
	word := regexp.MustCompile(`\b` + name + `\b`)
	return slices.ContainsFunc(d.Specs, func(s ast.Spec) bool {
		v, ok := s.(*ast.ValueSpec)
		return ok && word.MatchString(v.Doc.Text())
	})
}

// isWellKnown reports whether a method implements an interface of the standard library, or
// is a method of a type that is not exported.
func isWellKnown(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return false
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && !name.IsExported() || slices.Contains([]string{"String", "Error", "Unwrap", "Read", "Write"}, f.Name.Name)
}

// funcStart matches the first line of a named function in JavaScript or PHP, and blockStart
// that of an arrow function. The last line of either has the same indentation.
var (
	funcStart  = regexp.MustCompile(`^(\t*)(?:export |default |public |private |protected |static |final |async )*(?:function\b[^'` + "`" + `]*|(?:get |set )?#?\w+\([^'` + "`" + `]*\)) \{$`)
	blockStart = regexp.MustCompile(`^(\t*).*=> \{$`)
	control    = regexp.MustCompile(`^\t*(?:if|for|foreach|while|switch|catch|elseif) ?\(`)
)

// TestScriptFunctions checks the sizes of functions in JavaScript and PHP. A function that has
// other functions is a module, of which only these are checked.
func TestScriptFunctions(t *testing.T) {
	found := 0
	for _, path := range sourceFiles(t, ".js", ".mjs", ".php") {
		lines := linesOf(t, path)
		for i, line := range lines {
			start := funcStart.FindStringSubmatch(line)
			if start == nil || control.MatchString(line) {
				continue
			}
			found++
			if n, isModule := ownLines(lines[i:], start[1]); n > maxFuncLines && !isModule {
				t.Errorf("%s:%d: %s has %d lines, want at most %d", path, i+1, strings.TrimSpace(line), n, maxFuncLines)
			}
		}
	}
	if found < 500 {
		t.Errorf("%d functions were found in JavaScript and PHP", found)
	}
}

// ownLines returns the number of lines of the function that begins with the first line, without
// those of the functions in it, and whether one of these has a name.
func ownLines(lines []string, indent string) (n int, isModule bool) {
	inner := "" // the indentation of a function in it
	for i, line := range lines {
		switch {
		case i > 0 && inner == "" && strings.HasPrefix(line, indent+"}"):
			return n + 1, isModule
		case inner != "":
			if strings.HasPrefix(line, inner+"}") {
				inner = ""
			}
		case i > 0 && (funcStart.MatchString(line) && !control.MatchString(line) || blockStart.MatchString(line)):
			inner = line[:len(line)-len(strings.TrimLeft(line, "\t"))]
			isModule = isModule || funcStart.MatchString(line)
		default:
			n++
		}
	}
	return n, isModule
}
