package umnico_test
import ("testing";"net/http";"net/http/httptest";"io";"github.com/go-resty/resty/v2";"github.com/statuslink/statuslink/crm/umnico";"github.com/statuslink/statuslink/crm/umnico/umnicotest";"fmt";"syscall";"time")
type trow struct{ID int `json:"id"`;Type,Name,Color string;Order int}
func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(0,&r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func BenchmarkTmp(b *testing.B){
 for _, n := range []int{11,200,2000} {
 fake:=umnicotest.New(); fake.SetStatuses(); for i:=range n { fake.Add(fmt.Sprint("Статус ",i)) }
 rec:=httptest.NewRecorder(); rq:=httptest.NewRequest("GET",umnicotest.PathStatuses,nil); rq.Header.Set("Authorization","bearer "+fake.Token()); fake.ServeHTTP(rec,rq); body:=rec.Body.Bytes()
 srv:=httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,r *http.Request){w.Header().Set("Content-Type","application/json");w.Write(body)})); 
 c,_:=umnico.New(fake.Token(),&umnico.Options{BaseURL:srv.URL})
 b.Run(fmt.Sprint("resty",n),func(b *testing.B){ rc:=resty.New().SetBaseURL(srv.URL); s:=cpu(); for b.Loop(){ var into []trow; if _,err:=rc.R().SetContext(b.Context()).SetResult(&into).Get("/v1.3/statuses"); err!=nil||len(into)!=n {b.Fatal(err)}}; b.ReportMetric(float64(cpu()-s)/float64(b.N),"cpu-ns/op")})
 b.Run(fmt.Sprint("umnico",n),func(b *testing.B){ s:=cpu(); for b.Loop(){ l,err:=c.ListStatuses(b.Context()); if err!=nil||len(l.Statuses)!=n {b.Fatal(err)}}; b.ReportMetric(float64(cpu()-s)/float64(b.N),"cpu-ns/op")})
 srv.Close() }
 _ = io.EOF
}
