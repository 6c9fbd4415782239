def test_x(built): 
    import subprocess
    print(subprocess.run(["find", built.home], capture_output=True, text=True).stdout)
    assert 0
