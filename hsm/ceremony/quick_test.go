package ceremony_test
import ("testing";"context";"github.com/stretchr/testify/require";"smki.example/hsm/ceremony")
func TestQuick(t *testing.T){
 s := ceremony.DefaultScript()
 r, err := ceremony.Rehearse(context.Background(), ceremony.Config{Script:s})
 require.NoError(t,err)
 t.Logf("%+v", r)
}
