package main
import ("testing";"os";"bytes";"time";"runtime";"runtime/pprof";"context")
func TestZZ(t *testing.T){
 ctx,c:=context.WithTimeout(t.Context(),80*time.Second); defer c()
 go func(){ for ctx.Err()==nil { time.Sleep(10*time.Second); var m runtime.MemStats; runtime.GC(); runtime.ReadMemStats(&m); println(m.HeapAlloc>>20, m.HeapSys>>20)
  f,_:=os.Create("/tmp/h7/heap.out"); pprof.WriteHeapProfile(f); f.Close()} }()
 v,err:=run(ctx, options{rate:60,seed:4,rollOut:time.Second}, &bytes.Buffer{}, os.Stderr); t.Log(v.Total,err)
}
