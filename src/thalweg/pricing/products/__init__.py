"""Products beyond European options, in closed form or by quadrature: bulk functions that broadcast like a ufunc.

All share the conventions of `thalweg.pricing.european`: volatility per root of a year, time in years, `rate` and
`dividend` continuously compounded per year. An asset whose cost of carry is b has dividend = rate - b: 0 for a stock
without dividends, its yield for an index, the foreign rate for a currency, `rate` for a future.
"""
