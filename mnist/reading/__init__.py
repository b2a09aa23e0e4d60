"""From a photograph or a drawing to the 28 x 28 pixels of a digit.

`picture` opens files, `ink` finds the digit, `pieces` splits several digits.
"""
