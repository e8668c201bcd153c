package recipes_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/template"
)

// soap follows the operation ReadMultiple of pages in Dynamics NAV, and Get_Workers of Workday's Human_Resources.
func soap() []recipe {
	nav := map[string]string{"NAV_USER": "BRIDGE", "NAV_ACCESS_KEY": "FMGGX8b3GBmVw5EaQ9Pw"}
	workday := map[string]string{"WORKDAY_USER": "ISU_Bridge", "WORKDAY_PASSWORD": "Integration-1"}
	bookmark := func(no, edition int) string { return fmt.Sprintf("32;JAAAAACLAQAA&<%d>;%d;", no, edition) }
	return []recipe{
		{page: "soap", block: 0, env: nav, taken: 105, site: func() *site {
			return &site{answer: navAnswer, records: many(record{"Status": "Open", "Quantity": "4"}, 105, func(i int, r record) {
				r.set(map[string]any{"No": fmt.Sprint(101001 + i), "Key": bookmark(101001+i, 1), "LineKey": bookmark(i, 1)})
			})}
		}, story: []scene{
			{name: "an order grows", happens: func(s *site) {
				s.edit("No", "101003", map[string]any{"Quantity": "5", "Key": bookmark(101003, 2), "LineKey": bookmark(2, 2)})
			}, told: []string{"erp.sales_order.updated 101003 /SalesLines/Sales_Order_Line/0/Quantity"}},
			{name: "saved without a change", happens: func(s *site) {
				s.edit("No", "101004", map[string]any{"Key": bookmark(101004, 2), "LineKey": bookmark(3, 2)})
			}},
			{name: "an order comes in", happens: func(s *site) { s.add(map[string]any{"No": "101106", "Key": bookmark(101106, 1)}) },
				told: []string{"erp.sales_order.created 101106"}},
			{name: "the page breaks", happens: func(s *site) { s.broken = true }, fails: "The server has too many requests"},
			{name: "an order is posted", happens: func(s *site) { s.broken = false; s.remove("No", "101005") }, runs: []string{"poll", "poll"},
				told: []string{"erp.sales_order.deleted 101005"}},
		}},
		{page: "soap", block: 1, env: workday, no: "invalid username or password", taken: 105, site: func() *site {
			return &site{answer: workdayAnswer, records: many(record{"Business_Title": "Recruiter"}, 105, func(i int, r record) {
				r.set(map[string]any{"Worker_ID": fmt.Sprint(21001 + i), "WID": fmt.Sprintf("3aa5550b7fe348b98d7b5741afc6%04d", i)})
			})}
		}, story: []scene{
			{name: "somebody is promoted", happens: func(s *site) { s.edit("Worker_ID", "21003", map[string]any{"Business_Title": "Director"}) },
				told: []string{"workday.worker.updated 21003 /Worker_Data/Employment_Data/Worker_Job_Data/Position_Data/Business_Title"}},
			{name: "somebody is hired", happens: func(s *site) { s.add(map[string]any{"Worker_ID": "21106", "WID": "fresh"}) },
				told: []string{"workday.worker.created 21106"}},
			{name: "the service has an error", happens: func(s *site) { s.broken = true }, fails: "Processing error occurred"},
			{name: "somebody leaves", happens: func(s *site) { s.broken = false; s.remove("Worker_ID", "21005") }, runs: []string{"poll", "poll"},
				told: []string{"workday.worker.deleted 21005"}},
		}},
	}
}

// envelope is a request, as far as these services look at it.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Token   struct {
		Username string `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Username"`
		Password struct {
			Type string `xml:"Type,attr"`
			Text string `xml:",chardata"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Password"`
	} `xml:"Header>Security>UsernameToken"`
	Body struct {
		ReadMultiple *struct {
			BookmarkKey string `xml:"bookmarkKey"`
			SetSize     int    `xml:"setSize"`
		} `xml:"urn:microsoft-dynamics-schemas/page/salesorder ReadMultiple"`
		GetWorkers *struct {
			Version string `xml:"urn:com.workday/bsvc version,attr"`
			Page    int    `xml:"Response_Filter>Page"`
			Count   int    `xml:"Response_Filter>Count"`
		} `xml:"urn:com.workday/bsvc Get_Workers_Request"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

// ask reads a request of SOAP 1.1; nil where it is none.
func (s *site) ask(w http.ResponseWriter, r *http.Request) *envelope {
	e := &envelope{}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = xml.Unmarshal(body, e)
	}
	if err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") || len(r.Header["Soapaction"]) != 1 {
		s.surprise(w, r)
		return nil
	}
	return e
}

func navAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	user, key, _ := r.BasicAuth()
	if user != "BRIDGE" || key != "FMGGX8b3GBmVw5EaQ9Pw" {
		w.Header().Set("WWW-Authenticate", `Basic realm=""`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	e := s.ask(w, r)
	if e == nil {
		return
	}
	if e.Body.ReadMultiple == nil || r.URL.Path != "/NAV/WS/CRONUS/Page/SalesOrder" || r.Header.Get("SOAPAction") != `"urn:microsoft-dynamics-schemas/page/salesorder:ReadMultiple"` {
		s.surprise(w, r)
		return
	}
	if s.broken {
		fault(w, "a:System.ServiceModel.ServerTooBusyException", "The server has too many requests. Try again later.")
		return
	}
	records := s.records
	at := 1
	if key := e.Body.ReadMultiple.BookmarkKey; key != "" {
		last := s.index("Key", key)
		if last < 0 {
			fault(w, "a:Microsoft.Dynamics.Nav.Types.Exceptions.NavRecordNotFoundException", "The bookmark is not valid.")
			return
		}
		records, at = records[last+1:], 2
	}
	on, _ := s.page(records, 1, e.Body.ReadMultiple.SetSize)
	s.pages = max(s.pages, at)
	const space = ` xmlns="urn:microsoft-dynamics-schemas/page/salesorder"`
	answer(w, "<ReadMultiple_Result"+space+"><ReadMultiple_Result>"+rendered("salesorder.xml", on)+"</ReadMultiple_Result></ReadMultiple_Result>")
}

func workdayAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	e := s.ask(w, r)
	if e == nil {
		return
	}
	if e.Token.Username != "ISU_Bridge@acme" || e.Token.Password.Text != "Integration-1" || !strings.HasSuffix(e.Token.Password.Type, "#PasswordText") {
		fault(w, "SOAP-ENV:Client.authenticationError", "invalid username or password")
		return
	}
	request := e.Body.GetWorkers
	if request == nil || request.Version != "v43.0" || request.Page < 1 || request.Count > 999 || r.URL.Path != "/ccx/service/acme/Human_Resources/v43.0" {
		s.surprise(w, r)
		return
	}
	if s.broken {
		fault(w, "SOAP-ENV:Server", "Processing error occurred. The task submitted is not valid.")
		return
	}
	on, last := s.page(s.records, request.Page, request.Count)
	answer(w, fmt.Sprintf(`<wd:Get_Workers_Response xmlns:wd="urn:com.workday/bsvc" wd:version="v43.0">
<wd:Response_Filter><wd:Page>%d</wd:Page><wd:Count>%d</wd:Count></wd:Response_Filter>
<wd:Response_Results><wd:Total_Results>%d</wd:Total_Results><wd:Total_Pages>%d</wd:Total_Pages><wd:Page_Results>%d</wd:Page_Results><wd:Page>%d</wd:Page></wd:Response_Results>
<wd:Response_Data>%s</wd:Response_Data></wd:Get_Workers_Response>`,
		request.Page, request.Count, len(s.records), last, len(on), request.Page, rendered("worker.xml", on)))
}

// answer writes what stands in the body of an envelope of SOAP 1.1.
func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, `<Soap:Envelope xmlns:Soap="http://schemas.xmlsoap.org/soap/envelope/"><Soap:Body>%s</Soap:Body></Soap:Envelope>`, body)
}

func fault(w http.ResponseWriter, code, text string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="urn:a" xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>%s</faultcode><faultstring xml:lang="en-US">%s</faultstring></s:Fault></s:Body></s:Envelope>`, code, text)
}

// rendered fills a fixture in, once for each record.
func rendered(fixture string, records []record) string {
	text, err := os.ReadFile("../../testdata/recipes/soap/" + fixture)
	if err != nil {
		panic(err)
	}
	t := template.Must(template.New(fixture).Parse(string(text)))
	var b strings.Builder
	for _, r := range records {
		escaped := map[string]string{}
		for name, value := range r {
			var v strings.Builder
			_ = xml.EscapeText(&v, []byte(fmt.Sprint(value))) // a Builder takes everything
			escaped[name] = v.String()
		}
		if err := t.Execute(&b, escaped); err != nil {
			panic(err)
		}
	}
	return b.String()
}
