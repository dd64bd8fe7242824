"""Where data rests: the only SQL of the product besides the migrations."""
