package recipes_test

import (
	"fmt"
	"net/http"
	"strings"
)

// odata follows OData 2.0 (JSON format, server-driven paging) as SAP's Gateway serves it, and OData 4.01 Protocol, 11.2.6.7.
func odata() []recipe {
	env := map[string]string{"SAP_USER": "BRIDGE", "SAP_PASSWORD": "Sap-Geheim-1"}
	orders := func(fixed string) func() *site {
		return func() *site {
			return &site{answer: odataAnswer, records: many(fixture(fixed)[0], 105, func(i int, r record) {
				r.set(map[string]any{"SalesOrder": fmt.Sprint(1001 + i)})
			})}
		}
	}
	v4 := []scene{
		{name: "an order grows", happens: func(s *site) {
			s.edit("SalesOrder", "1003", map[string]any{"TotalNetAmount": 60, "LastChangeDateTime": "2024-06-01T09:00:00Z"})
		}, told: []string{"sap.sales_order.updated 1003 /TotalNetAmount"}},
		{name: "an order is saved without a change", happens: func(s *site) {
			r := s.find("SalesOrder", "1004")
			r["@odata.etag"], r["LastChangeDateTime"] = `W/"other"`, "2024-06-01T09:01:00Z"
		}},
		{name: "an order comes in", happens: func(s *site) {
			s.add(map[string]any{"SalesOrder": "1106", "LastChangeDateTime": "2024-06-01T09:02:00Z"})
		}, told: []string{"sap.sales_order.created 1106"}},
		{name: "an order is deleted, which the filter does not show", happens: func(s *site) { s.remove("SalesOrder", "1005") }},
		{name: "but the reconciliation does", runs: []string{"reconcile", "poll"}, told: []string{"sap.sales_order.deleted 1005"}},
	}
	story := func(amount string) []scene {
		return []scene{
			{name: "an order grows", happens: func(s *site) { s.edit("SalesOrder", "1003", map[string]any{"TotalNetAmount": amount}) },
				told: []string{"sap.sales_order.updated 1003 /TotalNetAmount"}},
			{name: "an order is saved without a change", happens: func(s *site) {
				s.edit("SalesOrder", "1004", map[string]any{"__metadata.etag": `W/"other"`})
			}},
			{name: "an order comes in", happens: func(s *site) { s.add(map[string]any{"SalesOrder": "1106"}) },
				told: []string{"sap.sales_order.created 1106"}},
			{name: "an order is deleted", happens: func(s *site) { s.remove("SalesOrder", "1005") }, runs: []string{"poll", "poll"},
				told: []string{"sap.sales_order.deleted 1005"}},
		}
	}
	return []recipe{
		{page: "odata", block: 0, env: env, taken: 105, site: orders("odata/v2.json"), story: story("60.00")},
		{page: "odata", block: 1, env: env, taken: 105, short: true, site: orders("odata/v4.json"), story: v4},
	}
}

func odataAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "BRIDGE" || password != "Sap-Geheim-1" {
		w.Header().Set("WWW-Authenticate", `Basic realm="SAP NetWeaver Application Server [S4H/100]"`)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "<!DOCTYPE html><html><head><title>Logon Error Message</title></head><body>Anmeldung fehlgeschlagen</body></html>")
		return
	}
	v2 := r.URL.Path == "/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder"
	v4 := r.URL.Path == "/sap/opu/odata4/sap/api_salesorder/srvd_a2x/sap/salesorder/0001/SalesOrder"
	query := r.URL.Query()
	if !v2 && !v4 || query.Get("sap-client") != "100" || query.Get("$orderby") != "SalesOrder" || v2 && query.Get("$format") != "json" ||
		!s.only(r, "$format", "$select", "$orderby", "$filter", "$skiptoken", "sap-client") || v2 && query.Has("$filter") {
		s.surprise(w, r)
		return
	}
	for name := range s.records[0] {
		if !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "@") && !strings.Contains(query.Get("$select")+",", name+",") {
			s.surprise(w, r)
			return
		}
	}
	since, filtered := strings.CutPrefix(query.Get("$filter"), "LastChangeDateTime ge ")
	if query.Has("$filter") && !filtered {
		write(w, http.StatusBadRequest, record{"error": record{"code": "005056A509B11EE1B9A8FEC11C21578E", "message": "Invalid Filter"}})
		return
	}
	records := s.records
	if filtered {
		records = s.since("LastChangeDateTime", since)
	}
	at := number(r, "$skiptoken", 0)/100 + 1
	on, last := s.page(records, at, 100)
	next := map[string]string{"$skiptoken": fmt.Sprint(100 * at)}
	if v2 {
		w.Header().Set("DataServiceVersion", "2.0")
		d := record{"results": list(on)}
		if at < last {
			d["__next"] = linked(r, r.URL.Path, next)
		}
		write(w, http.StatusOK, record{"d": d})
		return
	}
	w.Header().Set("OData-Version", "4.0")
	answer := record{"@odata.context": "$metadata#SalesOrder", "@odata.metadataEtag": `W/"20240301"`, "value": list(on)}
	if at < last {
		_, relative, _ := strings.Cut(linked(r, "/SalesOrder", next), "/SalesOrder")
		answer["@odata.nextLink"] = "SalesOrder" + relative
	}
	write(w, http.StatusOK, answer)
}
