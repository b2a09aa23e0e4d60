"""Turns a photograph or a drawing into the 28 x 28 pixels of a digit.

In reading order: `picture` opens files, `ink` finds the digit, `pieces` splits several digits in a row, `placement`
scales and centres each.
"""
