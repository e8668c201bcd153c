package recipes_test

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"
)

const (
	githubToken  = "github_pat_11AAAAAAA0"
	githubSecret = "It's a Secret to Everybody"
)

// github follows https://docs.github.com/en/rest/issues/issues, .../releases/releases and .../webhooks.
func github() []recipe {
	env := map[string]string{"GITHUB_TOKEN": githubToken}
	hooks := map[string]string{"GITHUB_WEBHOOK_SECRET": githubSecret}
	story := []scene{
		{name: "an issue is closed", happens: func(s *site) {
			s.edit("number", "7", map[string]any{"state": "closed", "state_reason": "completed", "updated_at": "2024-06-01T10:00:00Z"})
		}, told: []string{"github.issue.updated 7 /state /state_reason"}},
		{name: "somebody comments", happens: func(s *site) {
			s.edit("number", "8", map[string]any{"comments": 3, "updated_at": "2024-06-01T10:01:00Z"})
		}},
		{name: "an issue is opened, and a pull request", happens: func(s *site) {
			s.add(map[string]any{"number": 201, "title": "New", "updated_at": "2024-06-01T10:02:00Z", "created_at": "2024-06-01T10:02:00Z"})
			s.add(map[string]any{"number": 202, "updated_at": "2024-06-01T10:02:00Z",
				"pull_request": map[string]any{"url": "https://api.github.com/repos/octocat/hello-world/pulls/202"}})
		}, told: []string{"github.issue.created 201"}},
		{name: "an issue is deleted, which since does not show", happens: func(s *site) { s.remove("number", "9") }},
		{name: "but the reconciliation does", runs: []string{"reconcile", "reconcile"},
			told: []string{"github.issue.deleted 9"}},
	}
	pushed := []scene{
		{name: "a ping", webhook: func(*site) *http.Request {
			return githubHook("ping", record{"zen": "Design for failure.", "hook_id": 1})
		}},
		{name: "an issue is edited", happens: func(s *site) {
			s.edit("number", "7", map[string]any{"title": "Found two", "updated_at": "2024-06-01T10:00:00Z"})
		}, webhook: func(s *site) *http.Request { return githubIssue("edited", s.find("number", "7")) },
			told: []string{"github.issue.updated 7 webhook /title"}},
		{name: "the poll sees it as the webhook showed it"},
		{name: "an issue is opened", happens: func(s *site) {
			s.add(map[string]any{"number": 201, "title": "New", "updated_at": "2024-06-01T10:02:00Z"})
		}, webhook: func(s *site) *http.Request { return githubIssue("opened", s.find("number", "201")) },
			told: []string{"github.issue.created 201 webhook"}},
		{name: "an issue is deleted", webhook: func(s *site) *http.Request {
			gone := s.find("number", "9").clone()
			s.remove("number", "9")
			return githubIssue("deleted", gone)
		}, told: []string{"github.issue.deleted 9 webhook"}},
		{name: "a webhook is lost", happens: func(s *site) {
			s.edit("number", "10", map[string]any{"state": "closed", "updated_at": "2024-06-01T10:03:00Z"})
		}, told: []string{"github.issue.updated 10 /state"}},
	}
	releases := []scene{
		{name: "somebody downloads", happens: func(s *site) {
			s.find("id", "5")["assets"].([]any)[0].(map[string]any)["download_count"] = 43
		}},
		{name: "a release is edited", happens: func(s *site) { s.edit("id", "5", map[string]any{"body": "Now with notes"}) },
			told: []string{"github.release.updated 5 /body"}},
		{name: "a release is made", happens: func(s *site) { s.add(map[string]any{"id": 300, "tag_name": "v3.0.0"}) },
			told: []string{"github.release.created 300"}},
		{name: "a release is deleted", happens: func(s *site) { s.remove("id", "6") }, runs: []string{"poll", "poll"},
			told: []string{"github.release.deleted 6"}},
	}
	issues := func() *site {
		return &site{answer: githubAnswer, records: many(fixture("github/issues.json")[0], 105, func(i int, r record) {
			r.set(map[string]any{"number": i + 1, "id": 1000 + i, "title": fmt.Sprint("Bug ", i+1)})
		})}
	}
	return []recipe{
		{page: "github", block: 0, env: env, taken: 105, short: true, story: story, site: issues},
		{page: "github", block: 1, env: env, hooks: hooks, taken: 105, short: true, story: pushed, site: issues},
		{page: "github", block: 2, env: env, taken: 105, free: true, story: releases, site: func() *site {
			return &site{answer: githubAnswer, records: many(fixture("github/releases.json")[0], 105, func(i int, r record) {
				r.set(map[string]any{"id": i + 1, "tag_name": fmt.Sprint("v1.0.", i)})
			})}
		}},
	}
}

func githubAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-RateLimit-Limit", "5000")
	w.Header().Set("X-RateLimit-Remaining", "4987")
	w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
	w.Header().Set("X-RateLimit-Resource", "core")
	if r.Header.Get("Authorization") != "Bearer "+githubToken {
		write(w, http.StatusUnauthorized, record{"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401"})
		return
	}
	if r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || r.Header.Get("User-Agent") == "" {
		write(w, http.StatusForbidden, record{"message": "Request forbidden by administrative rules."})
		return
	}
	records := s.records
	switch _, resource, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/repositories/1296269"), "/repos/octocat/hello-world"); {
	case r.URL.Path == "/repositories/1296269/issues" || resource == "/issues":
		if !s.only(r, "state", "sort", "direction", "per_page", "page", "since") || r.URL.Query().Get("state") != "all" {
			s.surprise(w, r)
			return
		}
		records = s.since("updated_at", r.URL.Query().Get("since"))
	case r.URL.Path == "/repositories/1296269/releases" || resource == "/releases":
		if !s.only(r, "per_page", "page") {
			s.surprise(w, r)
			return
		}
	default:
		s.surprise(w, r)
		return
	}
	at := number(r, "page", 1)
	on, last := s.page(records, at, min(number(r, "per_page", 30), 100))
	tag := fmt.Sprintf(`W/"%08x"`, crc32.ChecksumIEEE([]byte(fmt.Sprint(on))))
	w.Header().Set("ETag", tag)
	if at < last {
		path := "/repositories/1296269" + r.URL.Path[strings.LastIndexByte(r.URL.Path, '/'):]
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`,
			linked(r, path, map[string]string{"page": fmt.Sprint(at + 1)}), linked(r, path, map[string]string{"page": fmt.Sprint(last)})))
	}
	if r.Header.Get("If-None-Match") == tag {
		s.unchanged++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, list(on))
}

// githubIssue is a webhook about an issue, as it is now. It has other members than the list beside those that a recipe
// selects.
func githubIssue(action string, issue record) *http.Request {
	issue = issue.clone()
	delete(issue, "timeline_url")
	issue.set(map[string]any{"sub_issues_summary": record{"total": 0}, "author_association": "OWNER", "comments": 1})
	return githubHook("issues", record{"action": action, "issue": issue,
		"repository": record{"id": 1296269, "name": "hello-world", "full_name": "octocat/hello-world"},
		"sender":     record{"login": "octocat", "id": 1}})
}

func githubHook(event string, body record) *http.Request {
	return webhook("github", body, func(body string) map[string]string {
		signature := hexHMAC(githubSecret, body)
		return map[string]string{"X-GitHub-Event": event, "X-GitHub-Delivery": signature[:32], "X-Hub-Signature-256": "sha256=" + signature,
			"User-Agent": "GitHub-Hookshot/044aadd"}
	})
}
