// Introspects a secret with Keycroft: validity, owner and permissions (RFC 7662). Needs only the standard library.
//
//	KEYCROFT_SERVER=http://127.0.0.1:8420 KEYCROFT_TOKEN=kca_… go run verify.go < secret
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Introspection is the answer of Keycroft. Only Active is set for an invalid secret.
type Introspection struct {
	Active   bool   `json:"active"`
	Username string `json:"username"`
	Scope    string `json:"scope"`
	ID       string `json:"jti"`
}

// Verify introspects a secret. service is an API key with the permission introspect.
//
// A caller can cache a positive answer for some seconds; a deleted secret then works that much longer. Never cache a
// negative answer.
func Verify(server, service, secret string) (Introspection, error) {
	var said Introspection
	form := url.Values{"token": {secret}}
	request, err := http.NewRequest("POST", server+"/oauth/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		return said, err
	}
	request.Header.Set("Authorization", "Bearer "+service)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return said, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return said, errors.New("unexpected answer " + answer.Status)
	}
	return said, json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&said)
}

func main() {
	secret, err := io.ReadAll(io.LimitReader(os.Stdin, 4096))
	if err == nil {
		var said Introspection
		said, err = Verify(os.Getenv("KEYCROFT_SERVER"), os.Getenv("KEYCROFT_TOKEN"), strings.TrimSpace(string(secret)))
		if err == nil && !said.Active {
			err = errors.New("not active")
		}
		if err == nil {
			fmt.Printf("%s: %s\n", said.Username, said.Scope)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
