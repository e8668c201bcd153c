package recipes_test

import (
	"fmt"
	"net/http"
	"strings"
)

const wordpressPosts = "/wp-json/wp/v2/posts"

// wordpress follows https://developer.wordpress.org/rest-api: reference of posts, pagination, application passwords.
func wordpress() []recipe {
	env := map[string]string{"WORDPRESS_USER": "bridge", "WORDPRESS_APPLICATION_PASSWORD": "mgF9 44Yx pDoY aTI0 haUc gEvh"}
	posts := func() *site {
		return &site{answer: wordpressAnswer, records: many(fixture("wordpress/posts.json")[0], 102, func(i int, r record) {
			r.set(map[string]any{"id": i + 1, "slug": fmt.Sprint("post-", i+1)})
		})}
	}
	return []recipe{{page: "wordpress", block: 0, env: env, taken: 102, site: posts, story: []scene{
		{name: "a post is edited", happens: func(s *site) {
			s.edit("id", "3", map[string]any{"content.raw": "<p>Better.</p>", "content.rendered": "<p>Better.</p>", "modified_gmt": "2024-06-01T10:00:00"})
		}, told: []string{"post.updated 3 /content/raw"}},
		{name: "a draft is begun", happens: func(s *site) {
			s.add(map[string]any{"id": 103, "status": "draft", "slug": "", "modified_gmt": "2024-06-01T10:01:00"})
		}, told: []string{"post.created 103"}},
		{name: "and published", happens: func(s *site) {
			s.edit("id", "103", map[string]any{"status": "publish", "slug": "new", "modified_gmt": "2024-06-01T10:02:00"})
		}, told: []string{"post.published 103 /slug /status"}},
		{name: "saved without a change", happens: func(s *site) { s.edit("id", "4", map[string]any{"modified_gmt": "2024-06-01T10:03:00"}) }},
		{name: "a post goes to the trash", happens: func(s *site) { s.edit("id", "5", map[string]any{"status": "trash"}) }, runs: []string{"poll", "poll"},
			told: []string{"post.deleted 5"}},
	}}}
}

func wordpressAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "bridge" || strings.ReplaceAll(password, " ", "") != "mgF944YxpDoYaTI0haUcgEvh" {
		write(w, http.StatusUnauthorized, record{"code": "incorrect_password", "message": "The provided password is an invalid application password.",
			"data": record{"status": 401}})
		return
	}
	query := r.URL.Query()
	if r.URL.Path != wordpressPosts || query.Get("context") != "edit" || query.Get("status") != "any" || query.Get("orderby") != "id" || query.Get("order") != "asc" ||
		!s.only(r, "context", "status", "orderby", "order", "per_page", "page", "_fields") {
		s.surprise(w, r)
		return
	}
	var listed []record
	for _, post := range s.records {
		if post["status"] != "trash" {
			listed = append(listed, fields(post, query.Get("_fields")))
		}
	}
	at := number(r, "page", 1)
	on, last := s.page(listed, at, min(number(r, "per_page", 10), 100))
	if at > last {
		write(w, http.StatusBadRequest, record{"code": "rest_post_invalid_page_number",
			"message": "The page number requested is larger than the number of pages available.", "data": record{"status": 400}})
		return
	}
	w.Header().Set("X-WP-Total", fmt.Sprint(len(listed)))
	w.Header().Set("X-WP-TotalPages", fmt.Sprint(last))
	if at > 1 {
		w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="prev"`, linked(r, wordpressPosts, map[string]string{"page": fmt.Sprint(at - 1)})))
	}
	if at < last {
		w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="next"`, linked(r, wordpressPosts, map[string]string{"page": fmt.Sprint(at + 1)})))
	}
	write(w, http.StatusOK, list(on))
}

// fields keeps what _fields names.
func fields(post record, names string) record {
	kept := record{}
	for name := range strings.SplitSeq(names, ",") {
		outer, inner, nested := strings.Cut(name, ".")
		if !nested {
			kept[name] = post[name]
		} else {
			kept[outer] = record{inner: post[outer].(map[string]any)[inner]}
		}
	}
	return kept
}
