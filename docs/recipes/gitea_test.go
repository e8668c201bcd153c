package recipes_test

import (
	"fmt"
	"net/http"
	"slices"
)

const (
	giteaToken  = "9fcb1158165773dd010fca5f0cf7174316c3e37d"
	giteaSecret = "gitea-hook-secret"
)

// gitea follows the API of Gitea 1.24 (swagger of /repos/{owner}/{repo}/issues) and its webhooks.
func gitea() []recipe {
	env := map[string]string{"GITEA_TOKEN": giteaToken}
	hooks := map[string]string{"GITEA_WEBHOOK_SECRET": giteaSecret}
	issues := func() *site {
		return &site{answer: giteaAnswer, records: many(fixture("gitea/issues.json")[0], 52, func(i int, r record) {
			r.set(map[string]any{"number": i + 1, "id": 900 + i, "title": fmt.Sprint("Issue ", i+1)})
		})}
	}
	relabelled := func(s *site) {
		s.edit("number", "3", map[string]any{"labels": []any{}, "updated_at": "2024-06-01T12:00:00+02:00"})
	}
	opened := func(s *site) {
		s.add(map[string]any{"number": 53, "id": 953, "title": "New", "updated_at": "2024-06-01T12:05:00+02:00"})
	}
	return []recipe{
		{page: "gitea", block: 0, env: env, taken: 52, short: true, site: issues, story: []scene{
			{name: "an issue loses its label", happens: relabelled, told: []string{"gitea.issue.updated 3 /labels"}},
			{name: "somebody comments", happens: func(s *site) {
				s.edit("number", "4", map[string]any{"comments": 2, "updated_at": "2024-06-01T12:01:00+02:00"})
			}},
			{name: "an issue is opened", happens: opened, told: []string{"gitea.issue.created 53"}},
			{name: "an issue is deleted, which since does not show", happens: func(s *site) { s.remove("number", "5") }},
			{name: "but the reconciliation does", runs: []string{"reconcile", "reconcile"}, told: []string{"gitea.issue.deleted 5"}},
			{name: "one is deleted while the pages are read, which hides another", happens: func(s *site) {
				s.between = func() { s.remove("number", "50") }
			}, runs: []string{"reconcile", "reconcile", "reconcile"}, told: []string{"gitea.issue.deleted 50"}},
		}},
		{page: "gitea", block: 1, env: env, hooks: hooks, taken: 52, short: true, site: issues, story: []scene{
			{name: "an issue loses its label", happens: relabelled,
				webhook: func(s *site) *http.Request { return giteaHook("label_cleared", s.find("number", "3")) },
				told:    []string{"gitea.issue.updated 3 webhook /labels"}},
			{name: "the poll sees it as the webhook showed it"},
			{name: "an issue is opened", happens: opened,
				webhook: func(s *site) *http.Request { return giteaHook("opened", s.find("number", "53")) },
				told:    []string{"gitea.issue.created 53 webhook"}},
			{name: "an issue is deleted", webhook: func(s *site) *http.Request {
				gone := s.find("number", "5").clone()
				s.remove("number", "5")
				return giteaHook("deleted", gone)
			}, told: []string{"gitea.issue.deleted 5 webhook"}},
			{name: "a webhook is lost", happens: func(s *site) {
				s.edit("number", "6", map[string]any{"state": "closed", "closed_at": "2024-06-01T12:06:00+02:00", "updated_at": "2024-06-01T12:06:00+02:00"})
			}, told: []string{"gitea.issue.updated 6 /state"}},
		}},
	}
}

const giteaIssues = "/api/v1/repos/acme/shop/issues"

func giteaAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "token "+giteaToken {
		write(w, http.StatusUnauthorized, record{"message": "invalid username, password or token", "url": "https://gitea.example.com/api/swagger"})
		return
	}
	query := r.URL.Query()
	if r.URL.Path != giteaIssues || query.Get("state") != "all" || query.Get("type") != "issues" || !s.only(r, "state", "type", "limit", "page", "since") {
		s.surprise(w, r)
		return
	}
	records := s.since("updated_at", query.Get("since"))
	slices.Reverse(records) // the newest comes first
	at := number(r, "page", 1)
	on, last := s.page(records, at, min(number(r, "limit", 30), 50))
	w.Header().Set("X-Total-Count", fmt.Sprint(len(records)))
	w.Header().Set("Access-Control-Expose-Headers", "X-Total-Count")
	if at < last {
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next",<%s>; rel="last"`,
			linked(r, giteaIssues, map[string]string{"page": fmt.Sprint(at + 1)}), linked(r, giteaIssues, map[string]string{"page": fmt.Sprint(last)})))
	}
	write(w, http.StatusOK, list(on))
}

func giteaHook(action string, issue record) *http.Request {
	body := record{"action": action, "number": issue["number"], "issue": issue, "repository": record{"id": 11, "full_name": "acme/shop"},
		"sender": record{"id": 2, "login": "alice"}, "commit_id": ""}
	return webhook("gitea", body, func(body string) map[string]string {
		signature := hexHMAC(giteaSecret, body)
		return map[string]string{"X-Gitea-Event": "issues", "X-Gitea-Event-Type": "issues", "X-Gitea-Delivery": signature[:36], "X-Gitea-Signature": signature}
	})
}
