package asmgen

// dequantizeArm64 is the values of rows.
func dequantizeArm64() []byte {
	var a Arm64
	a.Header()
	a.Func("func dequantizeQ8_0NEON(y *float32, row *byte, blocks int)", `
y = q·d, rounded once.

	R0 y   R1 row   R2 blocks left   V0 V1 codes   V2-V5 int16   V16 d   V20-V27 values

	for each block { y[0:32] = float32(q)·d }`, 24)
	for i, name := range []string{"y", "row", "blocks"} {
		a.Arg(name, 8*i, R(i))
	}
	a.Label("block")
	a.LoadLaneH(1, 16, 0)
	a.LoadB16(1, 0, 1)
	a.FCVTL(16, 16)
	a.SSHLLB(2, 0)
	a.SSHLLB2(3, 0)
	a.SSHLLB(4, 1)
	a.SSHLLB2(5, 1)
	for i := range V(4) {
		a.SSHLL(20+2*i, 2+i)
		a.SSHLL2(21+2*i, 2+i)
	}
	for i := range V(8) {
		a.SCVTF(20+i, 20+i)
	}
	for i := range V(8) {
		a.FMULElem(20+i, 20+i, 16, 0)
	}
	for i := V(0); i < 8; i += 2 {
		a.StorePair(0, 32, 20+i, 21+i)
	}
	a.SUBS(1, 2, 2)
	a.BNE("block")
	a.RET()

	a.Func("func bf16ToF32NEON(dst *float32, src *byte, n int)", `
n is a multiple of 8 and positive.

	R0 dst   R1 src   R2 values left   V0 eight bfloat16   V1 V2 floats`, 24)
	for i, name := range []string{"dst", "src", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.Label("values")
	a.LoadH8(1, 0)
	a.SHLL(1, 0)
	a.SHLL2(2, 0)
	a.StorePair(0, 32, 1, 2)
	a.SUBS(8, 2, 2)
	a.BNE("values")
	a.RET()
	return a.Bytes()
}
