"""The words of Fieldlab and where its data rests. Imports nothing of ours."""
