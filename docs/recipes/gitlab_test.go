package recipes_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	gitlabToken   = "glpat-XXXXXXXXXXXXXXXXXXXX"
	gitlabSigning = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// gitlab follows https://docs.gitlab.com/api/issues, .../api/rest and .../user/project/integrations/webhook_events.
func gitlab() []recipe {
	env := map[string]string{"GITLAB_TOKEN": gitlabToken}
	hooks := map[string]string{"GITLAB_SIGNING_TOKEN": gitlabSigning}
	issues := func() *site {
		return &site{answer: gitlabAnswer, one: gitlabIssues + "/", records: many(fixture("gitlab/issues.json")[0], 104, func(i int, r record) {
			r.set(map[string]any{"iid": i + 1, "id": 4100 + i, "title": fmt.Sprint("Issue ", i+1)})
		})}
	}
	closed := func(s *site) {
		s.edit("iid", "3", map[string]any{"state": "closed", "closed_at": "2024-06-01T10:00:00.000Z", "updated_at": "2024-06-01T10:00:00.000Z"})
	}
	opened := func(s *site) {
		s.add(map[string]any{"iid": 105, "id": 4205, "title": "New", "updated_at": "2024-06-01T10:05:00.123Z"})
	}
	return []recipe{
		{page: "gitlab", block: 0, env: env, taken: 104, short: true, site: issues, story: []scene{
			{name: "an issue is closed", happens: closed, told: []string{"gitlab.issue.updated 3 /state"}},
			{name: "somebody comments", happens: func(s *site) {
				s.edit("iid", "4", map[string]any{"user_notes_count": 2, "updated_at": "2024-06-01T10:01:00.000Z"})
			}},
			{name: "an issue is opened", happens: opened, told: []string{"gitlab.issue.created 105"}},
			{name: "an issue is deleted, which updated_after does not show", happens: func(s *site) { s.remove("iid", "5") }},
			{name: "but the reconciliation does", runs: []string{"reconcile", "reconcile"}, told: []string{"gitlab.issue.deleted 5"}},
		}},
		{page: "gitlab", block: 1, env: env, hooks: hooks, taken: 104, short: true, site: issues, story: []scene{
			{name: "an issue is closed", happens: closed, webhook: func(*site) *http.Request { return gitlabHook("close", 3) },
				told: []string{"gitlab.issue.updated 3 webhook /state"}},
			{name: "the poll sees it as the look-up did"},
			{name: "an issue is opened", happens: opened, webhook: func(*site) *http.Request { return gitlabHook("open", 105) },
				told: []string{"gitlab.issue.created 105 webhook"}},
			{name: "a webhook is lost", happens: func(s *site) {
				s.edit("iid", "4", map[string]any{"labels": []any{"bug"}, "updated_at": "2024-06-01T10:06:00.000Z"})
			}, told: []string{"gitlab.issue.updated 4 /labels"}},
			{name: "an issue is deleted, without a webhook", happens: func(s *site) { s.remove("iid", "5") },
				runs: []string{"reconcile", "reconcile"}, told: []string{"gitlab.issue.deleted 5"}},
		}},
	}
}

const gitlabIssues = "/api/v4/projects/278964/issues"

func gitlabAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("RateLimit-Name", "throttle_authenticated_api")
	w.Header().Set("RateLimit-Limit", "2000")
	w.Header().Set("RateLimit-Observed", "3")
	w.Header().Set("RateLimit-Remaining", "1997")
	w.Header().Set("RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Minute).Unix()))
	if r.Header.Get("PRIVATE-TOKEN") != gitlabToken {
		write(w, http.StatusUnauthorized, record{"message": "401 Unauthorized"})
		return
	}
	if iid, ok := strings.CutPrefix(r.URL.Path, gitlabIssues+"/"); ok {
		if s.index("iid", iid) < 0 {
			write(w, http.StatusNotFound, record{"message": "404 Not found"})
			return
		}
		one := s.find("iid", iid).clone()
		one["subscribed"] = false // which lists do not have
		write(w, http.StatusOK, one)
		return
	}
	query := r.URL.Query()
	if r.URL.Path != gitlabIssues || query.Get("pagination") != "keyset" || query.Get("order_by") != "created_at" || query.Get("sort") != "asc" ||
		!s.only(r, "scope", "state", "order_by", "sort", "pagination", "per_page", "updated_after", "cursor") {
		s.surprise(w, r)
		return
	}
	records := s.since("updated_at", query.Get("updated_after"))
	if cursor, err := base64.URLEncoding.DecodeString(query.Get("cursor")); err == nil && len(cursor) > 0 {
		for len(records) > 0 && fmt.Sprint(records[0]["iid"]) != string(cursor) {
			records = records[1:]
		}
		records, s.pages = records[1:], 2
	}
	on, last := s.page(records, 1, min(number(r, "per_page", 20), 100))
	if last > 1 {
		cursor := base64.URLEncoding.EncodeToString([]byte(fmt.Sprint(on[len(on)-1]["iid"])))
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, linked(r, gitlabIssues, map[string]string{"cursor": cursor})))
	}
	write(w, http.StatusOK, list(on))
}

// gitlabHook is a webhook about an issue, signed as Standard Webhooks say.
func gitlabHook(action string, iid int) *http.Request {
	body := record{"object_kind": "issue", "event_type": "issue",
		"user":              record{"id": 1, "username": "root", "name": "Administrator"},
		"project":           record{"id": 278964, "path_with_namespace": "acme/shop"},
		"object_attributes": record{"id": 4100 + iid, "iid": iid, "project_id": 278964, "state": "opened", "action": action, "updated_at": "2024-06-01 10:00:00 UTC"},
		"changes":           record{}, "labels": []any{}}
	return webhook("gitlab", body, func(body string) map[string]string {
		signer, err := standardwebhooks.NewWebhook(gitlabSigning)
		if err != nil {
			panic(err)
		}
		id, now := fmt.Sprint("f5e5f430-f57b-4e6e-9fac-d9128cd7232f-", iid), time.Now()
		signature, err := signer.Sign(id, now, []byte(body))
		if err != nil {
			panic(err)
		}
		return map[string]string{"X-Gitlab-Event": "Issue Hook", "webhook-id": id, "webhook-timestamp": fmt.Sprint(now.Unix()), "webhook-signature": signature}
	})
}
