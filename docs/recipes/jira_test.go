package recipes_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	jiraEmail  = "integration@acme.example"
	jiraToken  = "ATATT3xFfGF0T4Xy"
	jiraAccess = "NDgyOTY2MDU4MjAxOg"
	jiraSecret = "jira-webhook-secret"
	jiraFields = "summary,status,assignee,priority,labels,duedate,resolution,updated"
)

// jira follows the REST API of Jira Cloud, version 3, that of Jira Data Center, version 2, and Jira's webhooks.
func jira() []recipe {
	cloud := map[string]string{"JIRA_EMAIL": jiraEmail, "JIRA_API_TOKEN": jiraToken}
	hooks := map[string]string{"JIRA_WEBHOOK_SECRET": jiraSecret}
	issues := func() *site {
		return &site{answer: jiraAnswer, one: "/rest/api/3/issue/", records: many(fixture("jira/issues.json")[0], 105, func(i int, r record) {
			r.set(map[string]any{"key": fmt.Sprint("OPS-", i+1), "id": fmt.Sprint(10001 + i), "fields.summary": fmt.Sprint("Task ", i+1)})
		})}
	}
	done := func(s *site) {
		s.edit("key", "OPS-3", map[string]any{"fields.status.name": "Done", "fields.resolution": record{"id": "10000", "name": "Done"},
			"fields.updated": "2024-06-01T10:00:00.000+0000"})
	}
	filed := func(s *site) {
		s.add(map[string]any{"key": "OPS-106", "id": "10106", "fields.summary": "New", "fields.updated": "2024-06-01T10:01:00.000+0000"})
	}
	gone := func(s *site) { s.remove("key", "OPS-5") }
	story := func(confirm int, expired string) []scene {
		return []scene{
			{name: "an issue is done", happens: done, told: []string{"jira.issue.updated OPS-3 /fields/resolution/name /fields/status/name"}},
			{name: "somebody comments", happens: func(s *site) {
				s.edit("key", "OPS-4", map[string]any{"fields.updated": "2024-06-01T10:00:30.000+0000"})
			}},
			{name: "an issue is filed", happens: filed, told: []string{"jira.issue.created OPS-106"}},
			{name: "the token expires", happens: func(s *site) { s.expired = true }, fails: expired},
			{name: "and is renewed", happens: func(s *site) { s.expired = false }},
			{name: "an issue is deleted", happens: gone, runs: []string{"poll", "poll", "poll"}[:confirm], told: []string{"jira.issue.deleted OPS-5"}},
		}
	}
	return []recipe{
		{page: "jira", block: 0, env: cloud, taken: 105, site: issues, story: story(3, `success is false: response.headers["X-Seraph-LoginReason"] is "AUTHENTICATED_FAILED"`)},
		{page: "jira", block: 1, env: cloud, hooks: hooks, taken: 105, site: issues, story: []scene{
			{name: "an issue is done", happens: done, webhook: func(s *site) *http.Request { return jiraHook("jira:issue_updated", s.find("key", "OPS-3")) },
				told: []string{"jira.issue.updated OPS-3 webhook /fields/resolution/name /fields/status/name"}},
			{name: "the poll sees it as the look-up did"},
			{name: "an issue is filed", happens: filed,
				webhook: func(s *site) *http.Request { return jiraHook("jira:issue_created", s.find("key", "OPS-106")) },
				told:    []string{"jira.issue.created OPS-106 webhook"}},
			{name: "an issue is deleted", webhook: func(s *site) *http.Request {
				issue := s.find("key", "OPS-5").clone()
				gone(s)
				return jiraHook("jira:issue_deleted", issue)
			}},
			{name: "and its absence confirmed", runs: []string{"poll", "poll"}, told: []string{"jira.issue.deleted OPS-5"}},
			{name: "a webhook is lost", happens: func(s *site) {
				s.edit("key", "OPS-6", map[string]any{"fields.labels": []any{}, "fields.updated": "2024-06-01T10:02:00.000+0000"})
			}, told: []string{"jira.issue.updated OPS-6 /fields/labels"}},
		}},
		{page: "jira", block: 2, env: map[string]string{"JIRA_ACCESS_TOKEN": jiraAccess}, taken: 105, site: issues, story: story(2, "the login was refused")},
	}
}

func jiraAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-AREQUESTID", "1ec4a8b7")
	w.Header().Set("X-RateLimit-Limit", "350")
	w.Header().Set("X-RateLimit-Remaining", "349")
	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte(jiraEmail+":"+jiraToken))
	if r.Host == "jira.example.com" {
		wanted = "Bearer " + jiraAccess
	}
	if s.expired && r.Host != "jira.example.com" { // Cloud takes it for no login at all
		w.Header().Set("X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
		write(w, http.StatusOK, record{"issues": []record{}, "isLast": true})
		return
	}
	if s.expired || r.Header.Get("Authorization") != wanted {
		w.Header().Set("X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
		w.Header().Set("WWW-Authenticate", `OAuth realm="https%3A%2F%2Facme.atlassian.net"`)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "Client must be authenticated to access this resource.")
		return
	}
	query := r.URL.Query()
	key, one := strings.CutPrefix(r.URL.Path, "/rest/api/3/issue/")
	switch {
	case query.Get("fields") != jiraFields:
		s.surprise(w, r)
	case one && s.index("key", key) < 0:
		write(w, http.StatusNotFound, record{"errorMessages": []string{"Issue does not exist or you do not have permission to see it."}, "errors": record{}})
	case one:
		issue := s.find("key", key).clone()
		issue["expand"] = "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations,customfield_10010.properties"
		write(w, http.StatusOK, issue)
	case !strings.HasPrefix(query.Get("jql"), "project = OPS"):
		write(w, http.StatusBadRequest, record{"errorMessages": []string{"Unbounded JQL queries are not allowed here."}, "errors": record{}})
	case r.URL.Path == "/rest/api/3/search/jql" && s.only(r, "jql", "fields", "maxResults", "nextPageToken"):
		// The token is opaque; this one hides the number of the page.
		at := 1
		if token, err := base64.StdEncoding.DecodeString(query.Get("nextPageToken")); err == nil && len(token) > 0 {
			at, _ = strconv.Atoi(string(token))
		}
		on, last := s.page(s.records, at, min(number(r, "maxResults", 50), 100))
		answer := record{"issues": list(on), "isLast": at == last}
		if at < last {
			answer["nextPageToken"] = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(at + 1)))
		}
		write(w, http.StatusOK, answer)
	case r.URL.Path == "/rest/api/2/search" && s.only(r, "jql", "fields", "maxResults", "startAt"):
		from, size := number(r, "startAt", 0), number(r, "maxResults", 50)
		on, _ := s.page(s.records, 1+from/size, size)
		write(w, http.StatusOK, record{"expand": "schema,names", "startAt": from, "maxResults": size, "total": len(s.records), "issues": list(on)})
	default:
		s.surprise(w, r)
	}
}

func jiraHook(event string, issue record) *http.Request {
	body := record{"timestamp": 1717236000000, "webhookEvent": event, "issue": issue, "user": record{"accountId": "5b10a2844c20165700ede21g"}}
	return webhook("jira", body, func(body string) map[string]string {
		signature := hexHMAC(jiraSecret, body)
		return map[string]string{"X-Hub-Signature": "sha256=" + signature, "X-Atlassian-Webhook-Identifier": signature[:32]}
	})
}
