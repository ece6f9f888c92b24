// Signs a token for a user with the secret that it shares with the gateway (HS256).
//
//	export GATEWAY_AUTH__JWT_SECRET="$(openssl rand -base64 48)"      # the same for the gateway
//	go run sign_token.go -user alice -clans clan123 -topics orders:order-42
//
// Prints one JSON line with the token. It uses nothing but Go's standard library. In a service of yours: sign after the
// user has signed in, give the token to the app over HTTPS, and keep it short-lived. The app asks for another one in
// time.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"os"
	"strings"
	"time"
)

// lifetime is how long a token lasts.
const lifetime = 10 * time.Minute

// Claims are the claims of a token, as docs/auth.md lists them.
type Claims struct {
	Subject  string              `json:"sub"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Issuer   string              `json:"iss,omitempty"`
	Audience string              `json:"aud,omitempty"`
	Clans    []string            `json:"clans,omitempty"`
	Topics   map[string][]string `json:"topics,omitempty"`
}

// SignToken returns a JSON Web Token (RFC 7519) with these claims.
func SignToken(claims Claims, secret []byte) (string, error) {
	encoded, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(encoded)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil)), nil
}

// words splits a list with commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

func main() {
	user := flag.String("user", "", "the user")
	clans := flag.String("clans", "", "clan ids, with commas between them")
	topics := flag.String("topics", "", "SERVICE:TOPIC, with commas between them")
	flag.Parse()
	secret := os.Getenv("GATEWAY_AUTH__JWT_SECRET")
	if *user == "" || len(secret) < 32 {
		log.Fatal("give -user, and set GATEWAY_AUTH__JWT_SECRET to the secret of the gateway, 32 bytes or more")
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		log.Fatal(err)
	}
	grants := map[string][]string{}
	for _, grant := range words(*topics) {
		service, topic, _ := strings.Cut(grant, ":")
		grants[service] = append(grants[service], topic)
	}
	now := time.Now()
	claims := Claims{
		Subject:  *user,
		IssuedAt: now.Unix(),
		Expires:  now.Add(lifetime).Unix(),
		ID:       hex.EncodeToString(id),
		// Needed if the gateway has auth.issuer and auth.audience.
		Issuer:   os.Getenv("GATEWAY_AUTH__ISSUER"),
		Audience: os.Getenv("GATEWAY_AUTH__AUDIENCE"),
		Clans:    words(*clans),
		Topics:   grants,
	}
	token, err := SignToken(claims, []byte(secret))
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"token": token, "expiresAt": claims.Expires}); err != nil {
		log.Fatal(err)
	}
}
