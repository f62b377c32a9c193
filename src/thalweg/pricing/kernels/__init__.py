"""Compiled kernels. Importing anything here imports numba: do it when first needed, never at start-up.

All of them follow one recipe. Elementary functions are own polynomials of explicit fused multiply-adds, so that loops
over them become SIMD code and give the same bits with AVX2, AVX-512, one thread or many; libm would do neither.
`fastmath` allows contraction only: reassociation would undo the rounding tricks. Partial sums are added serially.
"""
