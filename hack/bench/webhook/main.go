// A minimal validating webhook in Go, beside which ours is measured: it decodes a review, decodes the request in it, and
// checks one rule.
package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"

	admission "k8s.io/api/admission/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type request struct {
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Model string `json:"model"`
		SLA   *struct {
			TTFT       *float64 `json:"ttft"`
			ITL        *float64 `json:"itl"`
			E2ELatency *float64 `json:"e2eLatency"`
		} `json:"sla"`
	} `json:"spec"`
}

func review(answer http.ResponseWriter, asked *http.Request) {
	body, err := io.ReadAll(io.LimitReader(asked.Body, 7<<20))
	review := admission.AdmissionReview{}
	found := request{}
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err == nil {
		err = json.Unmarshal(review.Request.Object.Raw, &found)
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	sla := found.Spec.SLA
	allowed := sla == nil || sla.E2ELatency == nil || (sla.TTFT == nil && sla.ITL == nil)
	review.Response = &admission.AdmissionResponse{UID: review.Request.UID, Allowed: allowed}
	if !allowed {
		review.Response.Result = &meta.Status{Code: http.StatusUnprocessableEntity, Message: "spec.sla"}
	}
	review.Request = nil
	answer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(answer).Encode(review)
}

// Arguments: address, certificate, key.
func main() {
	server := http.Server{Addr: os.Args[1], Handler: http.HandlerFunc(review), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	panic(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
}
